/** The Debian package: what is in it, its man pages and its unit. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import product from "../../package.json" with { type: "json" };
import { changelogHead } from "../../packaging/changelog.ts";
import { outline } from "../../src/cli/command-outline.ts";
import { createProgram } from "../../src/cli/program.ts";
import { configSchema } from "../../src/config/schema.ts";
import { makePackage, package_path } from "../harness/package.ts";
import { binary_path, plainEnvironment, repository } from "../harness/runtime.ts";

setDefaultTimeout(60_000);

/**
 * What `systemd-analyze security` says of the unit, 0 (closed) to 10; the README has the same. Debian
 * 12's systemd 252 counts so; another one may weigh a directive otherwise.
 */
const EXPOSURE = { score: 1.1, systemd: "252", elsewhere_max: 1.5 };

const shell = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: "utf8", env: plainEnvironment({ LC_ALL: "C.UTF-8" }) });
const digest = () => createHash("sha256").update(readFileSync(package_path)).digest("hex");

let unpacked = "";

beforeAll(() => {
  makePackage();
  unpacked = mkdtempSync(join(tmpdir(), "relayx-package-"));
  shell("dpkg-deb", "-R", package_path, unpacked);
});
afterAll(() => {
  rmSync(unpacked, { recursive: true, force: true });
});

const packed = (path: string) => readFileSync(join(unpacked, path));

describe("the package", () => {
  test("is the same, byte by byte, whoever makes it and when", () => {
    const first = digest();
    const { epoch_s } = changelogHead(
      readFileSync(join(repository, "packaging/debian/changelog"), "utf8"),
    );
    const mask = process.umask(0o077);
    try {
      makePackage({ TZ: "Pacific/Auckland", SOURCE_DATE_EPOCH: String(epoch_s + 1), LC_ALL: "C" });
    } finally {
      process.umask(mask);
    }
    expect(digest()).toBe(first);
  });

  test("has these files, all of them root's, and none that others may write", () => {
    const entries = shell("dpkg-deb", "-c", package_path).trim().split("\n").map((line) => {
      const [mode, owner, , , , path] = line.split(/\s+/);
      return { mode, owner, path: path.slice(2) };
    });
    expect(entries.filter(({ owner }) => owner !== "root/root")).toEqual([]);
    expect(entries.filter(({ mode }) => mode[5] === "w" || mode[8] === "w")).toEqual([]);
    const files = entries.filter(({ mode }) => mode.startsWith("-"));
    expect(files.map(({ mode, path }) => `${mode} ${path}`)).toEqual([
      "-rw-r----- etc/relayx/config.yaml",
      "-rwxr-xr-x usr/bin/relayx",
      "-rw-r--r-- usr/lib/systemd/system/relayx.service",
      "-rw-r--r-- usr/lib/sysusers.d/relayx.conf",
      "-rw-r--r-- usr/share/bash-completion/completions/relayx",
      "-rw-r--r-- usr/share/doc/relayx/changelog.gz",
      "-rw-r--r-- usr/share/doc/relayx/copyright",
      "-rw-r--r-- usr/share/fish/vendor_completions.d/relayx.fish",
      "-rw-r--r-- usr/share/lintian/overrides/relayx",
      "-rw-r--r-- usr/share/man/man1/relayx.1.gz",
      "-rw-r--r-- usr/share/man/man5/relayx.yaml.5.gz",
      "-rw-r--r-- usr/share/zsh/vendor-completions/_relayx",
    ]);
    expect(packed("usr/bin/relayx").equals(readFileSync(binary_path))).toBe(true);
    shell("sh", "-c", `cd '${unpacked}' && md5sum --quiet -c DEBIAN/md5sums`);
  });

  test("asks for the glibc that the executable and libsrt need, as objdump sees it", () => {
    const objects = [binary_path, join(repository, "dist/libsrt.so")];
    const wanted = objects.flatMap((path) =>
      [...shell("objdump", "-T", path).matchAll(/\(GLIBC_(\d+)\.(\d+)/g)]
        .map(([, major, minor]) => Number(major) * 1000 + Number(minor))
    );
    const newest = Math.max(...wanted);
    const depends = shell("dpkg-deb", "-f", package_path, "Depends");
    expect(depends).toStartWith(
      `libc6 (>= ${Math.floor(newest / 1000)}.${newest % 1000}), systemd | `,
    );
    expect(shell("dpkg-deb", "-f", package_path, "Version").trim()).toBe(product.version);
  });

  test("names the terms of every package that is in the executable", () => {
    const copyright = packed("usr/share/doc/relayx/copyright").toString();
    const parts = new Set(copyright.split("\n"));
    const named = Object.entries(product.dependencies).map((one) => one.join(" "));
    expect([...named, "libsrt-openssl-dev", "libssl-dev"].filter((one) => !parts.has(one)))
      .toEqual([]);
  });

  test("its scripts are shell scripts without mistakes", () => {
    for (const name of ["postinst", "prerm", "postrm"]) {
      shell("sh", "-n", join(unpacked, "DEBIAN", name));
    }
  });
});

describe("the man pages", () => {
  const page = (path: string) => {
    const file = join(unpacked, path.replace(/.*\//, ""));
    writeFileSync(file, gunzipSync(packed(`${path}.gz`)));
    return file;
  };
  /** As a reader sees it, without the backspaces that a terminal makes bold letters of. */
  const shown = (file: string) =>
    shell("mandoc", "-Tutf8", "-Owidth=200", file).split("\b")
      .map((piece, index, all) => index < all.length - 1 ? piece.slice(0, -1) : piece).join("");

  test("are well-formed", () => {
    for (const path of ["usr/share/man/man1/relayx.1", "usr/share/man/man5/relayx.yaml.5"]) {
      expect(shell("mandoc", "-Tlint", "-Wwarning", page(path))).toBe("");
    }
  });

  test("relayx(1) has every command and every option", () => {
    const text = shown(page("usr/share/man/man1/relayx.1"));
    const program = outline(createProgram({ stdout: () => {}, stderr: () => {}, env: {} }));
    const all = [program, ...program.commands, ...program.commands.flatMap((one) => one.commands)];
    for (const { path, options } of all) {
      expect(text).toContain(`relayx ${path.join(" ")}`);
      for (const { long } of options) expect(text).toContain(long);
    }
    expect(program.commands.length).toBeGreaterThan(5);
  });

  test("relayx.yaml(5) has every section and every key", () => {
    const text = shown(page("usr/share/man/man5/relayx.yaml.5"));
    for (const [section, keys] of Object.entries(configSchema.parse({}))) {
      expect(text).toMatch(new RegExp(`^${section.toUpperCase()}$`, "m"));
      for (const key of Object.keys(keys)) expect(text).toMatch(new RegExp(`^ +${key}: `, "m"));
    }
  });
});

describe("the unit", () => {
  const unit = () => join(unpacked, "usr/lib/systemd/system/relayx.service");

  test("is understood by systemd, all of it", () => {
    // It looks for the programs that the unit names, so these are the package's.
    const root = join(unpacked, "verify");
    mkdirSync(join(root, "etc/systemd/system"), { recursive: true });
    const text = readFileSync(unit(), "utf8").replaceAll("/usr/bin/relayx", binary_path);
    writeFileSync(join(root, "relayx.service"), text);
    const found = execFileSync("sh", [
      "-c",
      `systemd-analyze verify --man=no --recursive-errors=no '${
        join(root, "relayx.service")
      }' 2>&1`,
    ], { encoding: "utf8" });
    expect(found.split("\n").filter((line) => line.includes("relayx.service"))).toEqual([]);
  });

  test("leaves an intruder no more than it did, and the README says how much", () => {
    const told = shell("systemd-analyze", "security", "--offline=true", "--no-pager", unit());
    const exposure = Number(/Overall exposure level for relayx\.service: ([\d.]+)/.exec(told)?.[1]);
    const [, version] = /^systemd (\d+)/.exec(shell("systemd-analyze", "--version"))!;
    const { score, systemd, elsewhere_max } = EXPOSURE;
    expect(exposure).toBeLessThanOrEqual(version === systemd ? score : elsewhere_max);
    const readme = readFileSync(join(repository, "README.md"), "utf8");
    expect(readme.match(/exposure\s+of\s+\*\*([\d.]+)\*\*/)?.[1]).toBe(String(score));
  });

  test("says of every hardening that is left out why", () => {
    const told = JSON.parse(
      shell("systemd-analyze", "security", "--offline=true", "--json=short", unit()),
    ) as { set: boolean | null; name: string; json_field: string; exposure: string | null }[];
    const open = told.filter(({ set, exposure }) => set === false && Number(exposure) > 0);
    const reasons = readFileSync(unit(), "utf8").split("# Left out, each for a reason:")[1];
    for (const { name } of open) expect(reasons).toContain(name.split("=")[0]);
    expect(open.length).toBeGreaterThan(2);
  });
});
