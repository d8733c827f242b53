/** A file of tokens for a gateway under test, in a folder of its own. */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type TokenEntry = Record<string, unknown>;

export function freshToken(): string {
  return randomBytes(24).toString("base64url");
}

/** Worked out here and not by the gateway's code, so that both have to agree with `sha256sum`. */
export function hashOf(token: string): string {
  return `sha256:${createHash("sha256").update(token).digest("hex")}`;
}

export class TokenFile {
  readonly folder = mkdtempSync(join(tmpdir(), "relayx-tokens-"));
  readonly path = join(this.folder, "tokens.yaml");

  constructor(entries: readonly TokenEntry[]) {
    this.write(entries);
  }

  write(entries: readonly TokenEntry[]): void {
    writeFileSync(this.path, JSON.stringify({ tokens: entries }));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
