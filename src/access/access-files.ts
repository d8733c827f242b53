/**
 * The files that say who may come in, read and checked as a whole before any of it is used: at the
 * start, by `relayx check`, and at a reload, where a wrong file changes nothing.
 */
import { FileProblem, readBoundedFile } from "../config/bounded-file.ts";
import { ConfigError } from "../config/problem.ts";
import type { Config } from "../config/schema.ts";
import { KeyFileError, readKeyFile, type VerificationKey } from "./jwt-keys.ts";
import { parseTokenFile, type TokenEntry } from "./token-file.ts";

const TOKENS_BYTES_MAX = 8 * 1024 * 1024;
const KEYS_BYTES_MAX = 262_144;

export interface AccessFiles {
  /** Of `auth.tokens_file`; empty in other modes. */
  tokens: readonly TokenEntry[];
  /** Of `auth.jwt_key_file`; empty where the keys come from elsewhere. */
  keys: readonly VerificationKey[];
}

/** Throws a {@link ConfigError} that names the key of the configuration or the place in the file. */
export function readAccessFiles({ auth }: Pick<Config, "auth">): AccessFiles {
  return {
    tokens: auth.mode === "tokens" ? readTokens(auth.tokens_file) : [],
    keys: auth.mode === "jwt" && auth.jwt_key_file !== "" ? readKeys(auth) : [],
  };
}

function readTokens(path: string): TokenEntry[] {
  const bytes = readFile("auth.tokens_file", path, TOKENS_BYTES_MAX);
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw wrongFile(
      "auth.tokens_file",
      path,
      "invalid_utf8",
      "bytes that are no text",
      "UTF-8 text",
    );
  }
  return parseTokenFile(path, text);
}

function readKeys(auth: Config["auth"]): VerificationKey[] {
  const bytes = readFile("auth.jwt_key_file", auth.jwt_key_file, KEYS_BYTES_MAX);
  try {
    return readKeyFile(bytes, { shared: auth.jwt_algorithms[0].startsWith("HS") });
  } catch (error) {
    if (!(error instanceof KeyFileError)) throw error;
    const { found, allowed } = error;
    throw wrongFile("auth.jwt_key_file", auth.jwt_key_file, "wrong_key_file", found, allowed);
  }
}

function readFile(key: string, path: string, bytes_max: number): Uint8Array {
  try {
    return readBoundedFile(path, bytes_max);
  } catch (error) {
    if (!(error instanceof FileProblem)) throw error;
    throw wrongFile(key, path, error.code, error.found, error.allowed);
  }
}

function wrongFile(key: string, path: string, code: string, found: string, allowed: string) {
  return new ConfigError([{ file: path, line: null, column: null, key, code, found, allowed }]);
}
