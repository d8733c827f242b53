/**
 * The file `copyright`: under which terms the parts of the executable are. Packages of npm bring
 * their terms along; of Debian's, the file that Debian keeps of them is taken over as it is.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface Lockfile {
  packages: Record<string, { version?: string; license?: string; dev?: boolean }>;
}

/** Debian wants these named, not repeated. */
const COMMON: Readonly<Record<string, string>> = {
  "Apache-2.0": "/usr/share/common-licenses/Apache-2.0",
};

export function licences(
  { root, version, libsrt, bun }: { root: string; version: string; libsrt: string; bun: string },
): string {
  const lockfile = JSON.parse(
    readFileSync(join(root, "package-lock.json"), "utf8"),
  ) as Lockfile;
  const packages = Object.entries(lockfile.packages)
    .filter(([path, { dev }]) => path !== "" && !dev)
    .sort(([one], [other]) => one < other ? -1 : 1);
  return [
    `relayx ${version}\n\nCopyright 2026 the authors of relayx. All rights reserved.`,
    `usr/bin/relayx is one file, and these are in it:`,
    `The runtime Bun ${bun}, under the MIT licence. It is linked with JavaScriptCore, which is under ` +
    `version 2 of the\nGNU Library General Public License (/usr/share/common-licenses/LGPL-2), and ` +
    "with the libraries that\nhttps://bun.com/docs/project/licensing lists.",
    `libsrt and OpenSSL's libcrypto, linked from Debian's packages ${libsrt}; their terms follow.`,
    ...["libsrt-openssl-dev", "libssl-dev"].map((name) =>
      part(name, readFileSync(`/usr/share/doc/${name}/copyright`, "utf8"))
    ),
    "The packages of npm that the source uses; their terms follow.",
    ...packages.map(([path, { version: one, license }]) =>
      part(`${path.replace(/^.*node_modules\//, "")} ${one}`, termsOf(join(root, path), license))
    ),
  ].join("\n\n") + "\n";
}

function part(title: string, text: string): string {
  return `${"-".repeat(72)}\n${title}\n\n${text.trim()}`;
}

function termsOf(folder: string, license: string | undefined): string {
  if (license === undefined) throw new Error(`${folder} has no licence in the lockfile`);
  if (license in COMMON) return `Under ${license}: ${COMMON[license]}`;
  const file = existsSync(folder)
    ? readdirSync(folder).find((name) => /^licen[cs]e(\.\w+)?$/i.test(name))
    : undefined;
  if (file === undefined) return `Under the licence ${license}.`;
  return readFileSync(join(folder, file), "utf8");
}
