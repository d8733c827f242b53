/** The rules of the house that a machine can check: which way imports point, and who knows a runtime. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";

const root = join(import.meta.dirname, "../..");

/** What each part may import, itself aside. `data` and `sessions` stand side by side. */
const allowed: Record<string, readonly string[]> = {
  "src/main.ts": ["src/cli"],
  "src/cli": [
    "src/gateway.ts",
    "src/tools",
    "src/admin",
    "src/access",
    "src/data",
    "src/observe",
    "src/config",
    "src/version.ts",
  ],
  "src/gateway.ts": [
    "src/gateway",
    "src/admin",
    "src/access",
    "src/planes/rlx1",
    "src/planes/fastway",
    "src/control",
    "src/sessions",
    "src/data",
    "src/observe",
    "src/config",
  ],
  "src/gateway": [
    "src/admin",
    "src/access",
    "src/planes/rlx1",
    "src/planes/fastway",
    "src/control",
    "src/sessions",
    "src/data",
    "src/observe",
    "src/config",
  ],
  "src/admin": ["src/access", "src/sessions", "src/data", "src/observe", "src/config"],
  "src/access": ["src/data", "src/observe", "src/config"],
  // Its peers come through the control port, by the framing and the queues that are there.
  "src/planes/rlx1": [
    "src/control",
    "src/access",
    "src/sessions",
    "src/data",
    "src/observe",
    "src/config",
  ],
  // A front door of its own, with listeners of its own.
  "src/planes/fastway": ["src/access", "src/data", "src/observe", "src/config"],
  "src/control": ["src/access", "src/sessions", "src/data", "src/observe", "src/config"],
  "src/sessions": ["src/access", "src/data", "src/observe", "src/config"],
  "src/data": ["ffi", "clients/fastway/wire", "src/workers.ts", "src/observe", "src/config"],
  "src/tools": ["src/admin", "ffi", "src/workers.ts", "src/data", "src/observe", "src/config"],
  "src/observe": ["src/config"],
  "src/config": [],
  "src/version.ts": ["package.json"],
  "src/workers.ts": [],
  "ffi": [],
  // What a client of fastway needs, for others to take along; the gateway shares its wire.
  "clients/fastway/wire": [],
  "clients/fastway": ["clients/fastway/wire"],
};

const parts = Object.keys(allowed);
const partOf = (file: string) => parts.find((part) => file === part || file.startsWith(`${part}/`));

const sources = ["src", "ffi", "clients"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true })
    .map((name) => `${folder}/${name}`)
    .filter((name) => name.endsWith(".ts") && !/(?:^|\/)(?:dist|node_modules)\//.test(name))
).map((file) => ({ file, text: readFileSync(join(root, file), "utf8") }));

function importsOf({ file, text }: { file: string; text: string }): string[] {
  return [...text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)]
    .map(([, path]) => normalize(join(dirname(file), path)));
}

test("every source belongs to a part", () => {
  expect(sources.filter(({ file }) => !partOf(file)).map(({ file }) => file)).toEqual([]);
});

test("imports point one way", () => {
  const wrong = sources.flatMap((source) => {
    const from = partOf(source.file)!;
    return importsOf(source)
      .filter((path) => {
        const to = partOf(path) ?? path;
        return to !== from && !allowed[from].includes(to);
      })
      .map((path) => `${source.file} → ${path}`);
  });
  expect(wrong).toEqual([]);
});

test("no module imports itself, by whatever way", () => {
  const byFile = new Map(sources.map((source) => [source.file, source]));
  const done = new Set<string>();
  const cycles: string[] = [];
  const visit = (file: string, path: string[]) => {
    const at = path.indexOf(file);
    if (at >= 0) return void cycles.push([...path.slice(at), file].join(" → "));
    const source = byFile.get(file);
    if (!source || done.has(file)) return;
    // A type is gone at run time, and two parts of one whole may know each other's shape.
    const text = source.text.replace(/import type [^;]+;/g, "");
    for (const next of importsOf({ file, text })) visit(next, [...path, file]);
    done.add(file);
  };
  for (const { file } of sources) visit(file, []);
  expect(cycles).toEqual([]);
});

test("only the backends know a runtime", () => {
  const known = new Set(["ffi/backend/bun.ts", "ffi/backend/deno.ts", "ffi/backend/mod.ts"]);
  const wrong = sources.filter(({ file, text }) =>
    !known.has(file) &&
    /\b(?:Bun|Deno)\.\w|from "bun/.test(text.replace(/\/\*[^]*?\*\/|\/\/.*/g, ""))
  );
  expect(wrong.map(({ file }) => file)).toEqual([]);
});
