/**
 * Makes `dist/relayx_<version>_amd64.deb` from `dist/relayx` and the sources. The same sources and the
 * same executable give the same bytes, whoever makes it and when: all times are that of the newest
 * entry in the changelog, all owners are root. Run it by `npm run package`.
 */
import { Buffer } from "node:buffer";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";
import { changelogHead, debianVersion } from "./changelog.ts";
import { compareVersions, neededGlibc } from "./elf.ts";
import { FOLDER_MODES, type PackedFile, packedFiles } from "./tree.ts";

const ROOT = join(import.meta.dirname, "..");
const SCRIPTS = ["postinst", "prerm", "postrm"] as const;
/**
 * zstd's third level takes 1 s for 55 MB; its ninth 7 s for 50 MB; xz, Debian's own choice, a minute
 * for 43 MB. Both distributions' dpkg reads zstd. One thread, because more make other bytes.
 */
const COMPRESSION = ["-Zzstd", "-z3", "--threads-max=1"];

const product = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as {
  version: string;
  description: string;
  devDependencies: { bun: string };
};
const changelog = changelogHead(
  readFileSync(join(ROOT, "packaging/debian/changelog"), "utf8"),
);
const version = debianVersion(product.version);
if (changelog.version !== version) {
  throw new Error(
    `packaging/debian/changelog begins with ${changelog.version}, package.json has ${version}: ` +
      "write an entry for it",
  );
}

const files = packedFiles({
  root: ROOT,
  version: product.version,
  date: new Date(changelog.epoch_s * 1000).toISOString().slice(0, 10),
  libsrt: readFileSync(join(ROOT, "dist/libsrt.so.package"), "utf8"),
  bun: product.devDependencies.bun,
});
const archive = join(ROOT, `dist/relayx_${version}_amd64.deb`);
const staging = mkdtempSync(join(ROOT, "dist/package-"));
try {
  const folder = join(staging, "root");
  layOut(folder, [...files, ...controlFiles()]);
  execFileSync("dpkg-deb", [
    "--build",
    "--root-owner-group",
    ...COMPRESSION,
    folder,
    join(staging, "relayx.deb"),
  ], {
    env: { ...process.env, SOURCE_DATE_EPOCH: String(changelog.epoch_s) },
    stdio: ["ignore", "ignore", "inherit"],
  });
  renameSync(join(staging, "relayx.deb"), archive);
} finally {
  rmSync(staging, { recursive: true });
}
const size_mb = (statSync(archive).size / 1e6).toFixed(0);
console.log(`packaged dist/relayx_${version}_amd64.deb, ${size_mb} MB`);

function controlFiles(): PackedFile[] {
  const control = (name: string, text: string, mode = 0o644): PackedFile => ({
    path: `DEBIAN/${name}`,
    mode,
    content: Buffer.from(text),
  });
  const kib = files.reduce((sum, { content }) => sum + Math.ceil(content.length / 1024), 0);
  const md5 = ({ content }: PackedFile) => createHash("md5").update(content).digest("hex");
  return [
    control("control", controlText(kib)),
    control("conffiles", lines(files.filter((one) => one.conffile).map(({ path }) => `/${path}`))),
    control(
      "md5sums",
      lines(files.filter((one) => !one.conffile).map((file) => `${md5(file)}  ${file.path}`)),
    ),
    ...SCRIPTS.map((name) =>
      control(name, readFileSync(join(ROOT, "packaging/debian", name), "utf8"), 0o755)
    ),
  ];
}

function controlText(installed_kib: number): string {
  const glibc = ["dist/relayx", "dist/libsrt.so"]
    .map((path) => neededGlibc(readFileSync(join(ROOT, path))))
    .reduce((newest, one) => compareVersions(one, newest) > 0 ? one : newest);
  return lines([
    "Package: relayx",
    `Version: ${version}`,
    "Architecture: amd64",
    `Maintainer: ${changelog.maintainer}`,
    `Installed-Size: ${installed_kib}`,
    // The second and the third are systemd-sysusers without systemd, as Debian and Ubuntu name it.
    `Depends: libc6 (>= ${glibc}), systemd | systemd-standalone-sysusers | systemd-sysusers`,
    "Section: net",
    "Priority: optional",
    "Description: relay for TCP and SRT between front ends and back ends",
    " relayx brings front ends and back ends together when neither can reach the",
    " other, and carries the bytes between them: TCP inside the kernel, and SRT.",
    " Encoders and players that speak SRT publish and view named streams with it.",
    " .",
    " The gateway runs as a systemd service with a user of its own.",
  ]);
}

function layOut(folder: string, entries: readonly PackedFile[]): void {
  const folders = new Set<string>([""]);
  for (const { path, mode, content } of entries) {
    for (let one = dirname(path); one !== "."; one = dirname(one)) folders.add(one);
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
    chmodSync(file, mode);
    utimesSync(file, changelog.epoch_s, changelog.epoch_s);
  }
  // The deepest first: what is put into a folder changes its time.
  for (const path of [...folders].sort((one, other) => other.length - one.length)) {
    chmodSync(join(folder, path), FOLDER_MODES[path] ?? 0o755);
    utimesSync(join(folder, path), changelog.epoch_s, changelog.epoch_s);
  }
}

function lines(texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}
