/** Reading a file that must be a small one: never a device that blocks, never more than is expected. */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { Buffer } from "node:buffer";

/** Why a file is not read. */
export class FileProblem extends Error {
  override name = "FileProblem";
  /** A stable word: `missing`, `unreadable` or `too_large`. */
  readonly code: string;
  readonly found: string;
  readonly allowed: string;
  constructor(code: string, found: string, allowed: string) {
    super(`found ${found}; allowed: ${allowed}`);
    this.code = code;
    this.found = found;
    this.allowed = allowed;
  }
}

/** The bytes of a regular file; throws {@link FileProblem}. */
export function readBoundedFile(path: string, bytes_max: number): Uint8Array {
  try {
    return read(path, bytes_max);
  } catch (error) {
    if (error instanceof FileProblem) throw error;
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    if (code === "ENOENT" || code === "ENOTDIR") {
      throw new FileProblem("missing", "no such file", "an existing file");
    }
    throw new FileProblem(
      "unreadable",
      `a file that cannot be read (${code})`,
      "a readable file",
    );
  }
}

function read(path: string, bytes_max: number): Uint8Array {
  // A pipe or a device would block for ever when opened, so the kind is checked first.
  if (!statSync(path).isFile()) {
    throw new FileProblem("unreadable", "something that is no regular file", "a regular file");
  }
  const descriptor = openSync(path, "r");
  try {
    const { size } = fstatSync(descriptor);
    if (size > bytes_max) {
      throw new FileProblem("too_large", `${size} bytes`, `at most ${bytes_max} bytes`);
    }
    const bytes = Buffer.alloc(bytes_max);
    let length = 0;
    while (length < bytes.length) {
      const count = readSync(descriptor, bytes, length, bytes.length - length, null);
      if (count === 0) break;
      length += count;
    }
    return bytes.subarray(0, length);
  } finally {
    closeSync(descriptor);
  }
}
