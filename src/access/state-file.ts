/**
 * A small file of JSON in `state.directory` that outlives the process. It is replaced as a whole, by
 * a new file that takes its name, so that whoever reads it finds the old state or the new one and
 * nothing in between. What cannot be read is set aside and never stops the start.
 */
import { mkdirSync, readFileSync, renameSync, statSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import type { z } from "zod";
import type { Log } from "../observe/log.ts";

/** The greatest file that is read or written. */
const FILE_BYTES_MAX = 32 * 1024 * 1024;
const FILE_MODE = 0o600;
const FOLDER_MODE = 0o700;
/** The shortest time between two lines about a file that cannot be written. */
const COMPLAIN_MS = 60_000;

/** Makes the folder where it is not there yet; throws the system's error. */
export function makeStateFolder(directory: string): void {
  mkdirSync(directory, { recursive: true, mode: FOLDER_MODE });
}

export class StateFile<Shape extends z.ZodType> {
  readonly #path: string;
  readonly #shape: Shape;
  readonly #log: Log;
  /** The write that is under way, and whether it went well; the next one waits for it. */
  #writing: Promise<boolean> = Promise.resolve(true);
  #complained_at = -Infinity;

  constructor(options: { directory: string; name: string; shape: Shape; log: Log }) {
    this.#path = join(options.directory, options.name);
    this.#shape = options.shape;
    this.#log = options.log;
  }

  /** What is kept; null where there is nothing, or nothing that can be read. */
  read(): z.output<Shape> | null {
    let text: string;
    try {
      const { size } = statSync(this.#path);
      if (size > FILE_BYTES_MAX) return this.#setAside(`${size} bytes`);
      text = readFileSync(this.#path, "utf8");
    } catch (error) {
      if (codeOf(error) === "ENOENT") return null;
      return this.#setAside(`a file that cannot be read (${codeOf(error)})`);
    }
    try {
      const read = this.#shape.safeParse(JSON.parse(text));
      if (read.success) return read.data;
      return this.#setAside("JSON of another shape");
    } catch {
      return this.#setAside("text that is no JSON");
    }
  }

  /** Resolves with true when it stands on the disk, with false when that has failed and been logged. */
  write(value: z.input<Shape>): Promise<boolean> {
    return this.#writing = this.#writing.then(() => this.#replace(JSON.stringify(value)));
  }

  /** Resolves when no write is under way. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #replace(text: string): Promise<boolean> {
    const fresh = `${this.#path}.new`;
    try {
      if (text.length > FILE_BYTES_MAX) throw new Error(`more than ${FILE_BYTES_MAX} bytes`);
      await rm(fresh, { force: true });
      const file = await open(fresh, "wx", FILE_MODE);
      try {
        await file.writeFile(text);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(fresh, this.#path);
      return true;
    } catch (error) {
      const now = performance.now();
      if (now - this.#complained_at < COMPLAIN_MS) return false;
      this.#complained_at = now;
      this.#log.error(
        { status: "state_unwritable", path: this.#path, error: String(error) },
        "state cannot be kept; a restart would forget it",
      );
      return false;
    }
  }

  #setAside(found: string): null {
    const aside = `${this.#path}.unreadable`;
    let moved = true;
    try {
      renameSync(this.#path, aside);
    } catch {
      moved = false;
    }
    this.#log.error(
      { status: "state_unreadable", path: this.#path, found, moved_to: moved ? aside : null },
      "kept state cannot be read; relayx starts without it",
    );
    return null;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown";
}
