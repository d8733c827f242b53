/**
 * The folder of fastway's process files. What is written there takes its name when it is whole, so that
 * nobody reads half of it and nothing that has the name already is written through. What is in profiles
 * and snapshots is for this user only: tokens and keys may be among it.
 */
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { chmod, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { readBoundedFile } from "../../config/bounded-file.ts";

const PRIVATE = 0o600;
/** Whoever wants to end relayx needs its number. */
const PUBLIC = 0o644;

export class ProcessFolder {
  readonly path: string;

  /** Relative paths begin in the folder that relayx was started in. */
  constructor(path: string) {
    this.path = resolve(path);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  /** Throws a `FileProblem`. */
  read(name: string, bytes_max: number): string {
    return Buffer.from(readBoundedFile(this.file(name), bytes_max)).toString("utf8");
  }

  /** At once, and for everybody to read. */
  publish(name: string, text: string): void {
    const temporary = this.#temporary(name);
    try {
      writeFileSync(temporary, text, { flag: "wx", mode: PUBLIC });
      renameSync(temporary, this.file(name));
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  remove(name: string): void {
    rmSync(this.file(name), { force: true });
  }

  async write(name: string, text: string): Promise<void> {
    const temporary = this.#temporary(name);
    try {
      await writeFile(temporary, text, { flag: "wx", mode: PRIVATE });
      await rename(temporary, this.file(name));
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  /**
   * For what others write: `make` puts files into a folder that nobody else gets at, and answers which
   * name each of them is to have. Answers the paths that they have then.
   */
  async collect(
    make: (folder: string) => Promise<ReadonlyMap<string, string>>,
  ): Promise<string[]> {
    const folder = await mkdtemp(this.file(".fastway."));
    try {
      const paths: string[] = [];
      for (const [name, path] of await make(folder)) {
        await chmod(path, PRIVATE);
        await rename(path, this.file(name));
        paths.push(this.file(name));
      }
      return paths;
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  #temporary(name: string): string {
    return this.file(`.${name}.${randomBytes(6).toString("hex")}`);
  }
}
