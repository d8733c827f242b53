/**
 * Builds `dist/relayx`: one executable for linux-x64 with the workers and libsrt inside.
 * Run it by `npm run build`, which installs what is missing first.
 */
import { $, type BunPlugin } from "bun";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { libsrtSymbols, listenHookSymbols } from "./ffi/libsrt/symbols.ts";
import { pageAssets } from "./src/admin/page-assets.ts";
import { workerModules, type WorkerName } from "./src/workers.ts";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const staticLibraries = ["libsrt.a", "libcrypto.a"];
const libsrtPackages = ["libsrt-openssl-dev", "libssl-dev"];

await mkdir(here("dist"), { recursive: true });
const libsrt = await linkLibsrt();
const workers = await bundleWorkers();
await compile({ libsrt, workers });
console.log(`built dist/relayx with libsrt from ${libsrt.package}`);

/**
 * Links the distribution's static libsrt and libcrypto, and our own hook for listeners, into one
 * shared object that needs only libc and libm and shows nothing but the functions of our symbol tables.
 */
async function linkLibsrt(): Promise<{ file: string; package: string }> {
  const file = here("dist/libsrt.so");
  const packages = await installedPackages();
  const hook = here("ffi/libsrt/listen-hook.c");
  const names = Object.keys(libsrtSymbols);
  const shown = [...names, ...Object.keys(listenHookSymbols)];
  const made_of = createHash("sha256").update([packages, ...shown].join(" "))
    .update(await readFile(hook)).digest("hex");
  if (await stat(file).catch(() => null) && await textOf(`${file}.made-of`) === made_of) {
    return { file, package: packages };
  }
  const archives = await Promise.all(staticLibraries.map(findArchive));
  await writeFile(here("dist/libsrt.map"), `{ global: ${shown.join("; ")}; local: *; };\n`);
  const object = here("dist/listen-hook.o");
  await $`gcc -std=gnu11 -O2 -fPIC -fstack-protector-strong -Wall -Wextra -c ${hook} -o ${object}`;
  // -u pulls each function out of the archive; the rest of libsrt follows from there.
  const wanted = names.flatMap((name) => ["-u", name]);
  await $`g++ -shared -o ${file}.new ${
    wanted.map((word) => `-Wl,${word}`)
  } ${object} ${archives} -static-libgcc -static-libstdc++ -lpthread -ldl -Wl,--gc-sections -Wl,-s -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--version-script=${
    here("dist/libsrt.map")
  }`;
  await rename(`${file}.new`, file);
  // What is told about it, and what it was made of, so that it is linked again when that changes.
  await writeFile(`${file}.package`, packages);
  await writeFile(`${file}.made-of`, made_of);
  return { file, package: packages };
}

async function textOf(file: string): Promise<string | null> {
  return await Bun.file(file).exists() ? await Bun.file(file).text() : null;
}

/** `libsrt-openssl-dev 1.5.1-1+deb12u2, libssl-dev …`: what the warning about old versions needs. */
async function installedPackages(): Promise<string> {
  const query = "${Package} ${Version}, ";
  const found = await $`dpkg-query -W -f ${query} ${libsrtPackages}`.quiet().nothrow();
  if (found.exitCode !== 0) {
    throw new Error(
      `Cannot link libsrt: the packages ${libsrtPackages.join(" and ")} are needed; ` +
        "run `npm run build`, which installs them, or install them by hand",
    );
  }
  return found.stdout.toString().replace(/, $/, "");
}

async function findArchive(name: string): Promise<string> {
  const found = (await $`g++ -print-file-name=${name}`.text()).trim();
  if (!found.startsWith("/")) {
    throw new Error(`Cannot find ${name}; is its -dev package installed?`);
  }
  return found;
}

/**
 * Bundles each worker into one file. They travel as files and not as entry points of the executable,
 * because those do not start when the executable carries bytecode.
 */
async function bundleWorkers(): Promise<Record<WorkerName, string>> {
  const names = Object.keys(workerModules) as WorkerName[];
  const bundled = {} as Record<WorkerName, string>;
  for (const name of names) {
    const result = await Bun.build({
      entrypoints: [here(`src/${workerModules[name]}`)],
      outdir: here("dist/workers"),
      naming: `${name}.js`,
      target: "bun",
    });
    if (!result.success) throw new AggregateError(result.logs, `Cannot bundle worker ${name}`);
    bundled[name] = result.outputs[0].path;
  }
  return bundled;
}

async function compile(parts: {
  libsrt: { file: string; package: string };
  workers: Record<WorkerName, string>;
}): Promise<void> {
  const outfile = here("dist/relayx");
  const result = await Bun.build({
    entrypoints: [here("src/main.ts")],
    compile: { target: "bun-linux-x64", outfile: `${outfile}.new` },
    format: "esm",
    // Halves the time from exec to serving: nothing has to be parsed.
    bytecode: true,
    plugins: [embedded(parts)],
  });
  if (!result.success) throw new AggregateError(result.logs, "Cannot compile relayx");
  // A running relayx keeps its file; the new one takes the name at once.
  await rename(`${outfile}.new`, outfile);
}

/** Puts other texts in the place of the modules that say where files are. */
function embedded({ libsrt, workers }: Parameters<typeof compile>[0]): BunPlugin {
  const importFile = (name: string, file: string) =>
    `import ${name} from ${JSON.stringify(file)} with { type: "file" };`;
  const files = Object.values(workers).map((file, i) => importFile(`worker${i}`, file));
  const table = Object.keys(workers).map((name, i) => `${JSON.stringify(name)}: worker${i}`);
  return {
    name: "embedded",
    setup(build) {
      build.onLoad({ filter: /\/ffi\/libsrt\/embedded\.ts$/ }, () => ({
        loader: "ts",
        contents: `${importFile("file", libsrt.file)}
          export const embeddedLibsrt = { file, package: ${JSON.stringify(libsrt.package)} };`,
      }));
      build.onLoad({ filter: /\/src\/workers\.ts$/ }, () => ({
        loader: "ts",
        contents: `${files.join("\n")}
          const files = { ${table.join(", ")} };
          export const workerUrl = (name) => files[name];`,
      }));
      build.onLoad({ filter: /\/src\/admin\/page-assets\.ts$/ }, () => ({
        loader: "ts",
        contents: `const assets = new Map(${JSON.stringify([...pageAssets()])});
          export const pageAssets = () => assets;`,
      }));
    },
  };
}
