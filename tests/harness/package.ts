/** The Debian package under test, and a system of its own to install it into. */
import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import product from "../../package.json" with { type: "json" };
import { plainEnvironment, repository } from "./runtime.ts";

export const package_path = join(repository, `dist/relayx_${product.version}_amd64.deb`);

/** Makes the package from the built executable. */
export function makePackage(environment: Record<string, string> = {}): void {
  execFileSync(join(repository, "node_modules/.bin/bun"), ["packaging/package.ts"], {
    cwd: repository,
    env: plainEnvironment(environment),
    stdio: ["ignore", "ignore", "inherit"],
  });
}

/**
 * An empty system in a folder, with dpkg's database and the accounts of a fresh one. Packages that
 * relayx depends on count as installed, as they are on the machine of the test. The maintainer
 * scripts run on this machine and are told by DPKG_ROOT where the system is.
 */
export class System {
  readonly root = mkdtempSync(join(tmpdir(), "relayx-system-"));

  constructor() {
    // The service's user looks for its files in here.
    chmodSync(this.root, 0o755);
    for (const folder of ["etc", "var/lib/dpkg/info", "var/lib/dpkg/updates", "var/log"]) {
      mkdirSync(join(this.root, folder), { recursive: true });
    }
    this.write("etc/passwd", "root:x:0:0:root:/root:/bin/sh\n");
    this.write("etc/group", "root:x:0:\n");
    const format = "Package: ${Package}\nStatus: install ok installed\nMaintainer: nobody\n" +
      "Architecture: ${Architecture}\nVersion: ${Version}\nDescription: as on this machine\n\n";
    this.write(
      "var/lib/dpkg/status",
      execFileSync("dpkg-query", ["-W", `-f=${format}`, "libc6", "systemd"], { encoding: "utf8" }),
    );
    for (const name of ["libc6", "systemd"]) this.write(`var/lib/dpkg/info/${name}.list`, "/.\n");
  }

  dpkg(...args: string[]): string {
    const command = ["dpkg", `--root=${this.root}`, "--force-script-chrootless", ...args];
    // Owners and modes are part of what is tested; whoever is not root pretends.
    if (process.getuid?.() !== 0) command.unshift("fakeroot");
    return execFileSync(command[0], command.slice(1), {
      encoding: "utf8",
      env: plainEnvironment({ DEBIAN_FRONTEND: "noninteractive" }),
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  path(path: string): string {
    return join(this.root, path);
  }

  has(path: string): boolean {
    return existsSync(this.path(path));
  }

  read(path: string): string {
    return readFileSync(this.path(path), "utf8");
  }

  write(path: string, text: string): void {
    writeFileSync(this.path(path), text);
  }

  /** The service's user and group, as numbers. */
  account(): { uid: number; gid: number } | null {
    const found = /^relayx:[^:]*:(\d+):(\d+):/m.exec(this.read("etc/passwd"));
    return found && { uid: Number(found[1]), gid: Number(found[2]) };
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
