/** What is in the package and where: every file with its mode, made from the sources of the repository. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { constants, gzipSync } from "node:zlib";
import { outline } from "../src/cli/command-outline.ts";
import { completion } from "../src/cli/completion-text.ts";
import { createProgram } from "../src/cli/program.ts";
import { configPage } from "./config-page.ts";
import { licences } from "./licences.ts";
import { manPage } from "./man-page.ts";
import { serviceConfig } from "./service-config.ts";

export interface PackedFile {
  /** Without a slash in front. */
  path: string;
  mode: number;
  content: Buffer;
  /** Belongs to the administrator once it is installed. */
  conffile?: boolean;
}

/** Folders that others shall not look into. All others are 0755. */
export const FOLDER_MODES: Readonly<Record<string, number>> = { "etc/relayx": 0o750 };

export interface TreeOptions {
  root: string;
  version: string;
  date: string;
  libsrt: string;
  bun: string;
}

export function packedFiles(options: TreeOptions): PackedFile[] {
  const { root, version, date } = options;
  const source = (path: string) => readFileSync(join(root, path));
  const program = outline(
    createProgram({ stdout: () => undefined, stderr: () => undefined, env: {} }),
  );
  const config = source("config.yaml").toString();
  const facts = { version, date };
  const plain = (path: string, content: Buffer | string, mode = 0o644): PackedFile => ({
    path,
    mode,
    content: Buffer.from(content),
  });
  const packed = (path: string, content: Buffer | string) =>
    plain(`${path}.gz`, gzipSync(content, { level: constants.Z_BEST_COMPRESSION }));
  return [
    plain("usr/bin/relayx", source("dist/relayx"), 0o755),
    { ...plain("etc/relayx/config.yaml", serviceConfig(config), 0o640), conffile: true },
    plain("usr/lib/systemd/system/relayx.service", source("packaging/debian/relayx.service")),
    plain("usr/lib/sysusers.d/relayx.conf", source("packaging/debian/relayx.sysusers")),
    packed("usr/share/man/man1/relayx.1", manPage(program, facts)),
    packed("usr/share/man/man5/relayx.yaml.5", configPage(config, facts)),
    plain("usr/share/bash-completion/completions/relayx", completion("bash", program)),
    plain("usr/share/zsh/vendor-completions/_relayx", completion("zsh", program)),
    plain("usr/share/fish/vendor_completions.d/relayx.fish", completion("fish", program)),
    plain("usr/share/doc/relayx/copyright", licences(options)),
    packed("usr/share/doc/relayx/changelog", source("packaging/debian/changelog")),
    plain("usr/share/lintian/overrides/relayx", source("packaging/debian/lintian-overrides")),
  ];
}
