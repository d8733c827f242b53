/**
 * Tokens, and what is kept of them. A token is 256 random bits, so nobody can try them through, and
 * a plain SHA-256 is as good as a slow hash for it: slowness makes guessing dearer where guessing is
 * possible. It would also let strangers keep the gateway busy.
 *
 *   token        relayx_ and 43 characters of base64url
 *   token_hash   sha256: and the 64 hexadecimal digits of SHA-256 over the token's UTF-8 bytes
 */
import { createHash, randomBytes } from "node:crypto";

const TOKEN_BYTES = 32;
/** So that whoever finds one in a file or a log knows what it is. */
const TOKEN_PREFIX = "relayx_";

/** A token that people have chosen must at least be as long as a random one of 96 bits. */
export const TOKEN_CHARS_MIN = 20;

export const TOKEN_HASH_FORM = /^sha256:[0-9a-f]{64}$/;

export function newToken(): string {
  return TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString("base64url");
}

export function hashToken(token: string): string {
  return `sha256:${createHash("sha256").update(token, "utf8").digest("hex")}`;
}
