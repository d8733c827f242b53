/** `fastway.pid`: the number of this process, decimal and without a newline, for as long as it runs. */
import { readFileSync, readlinkSync } from "node:fs";
import type { ProcessFolder } from "./process-folder.ts";

const NAME = "fastway.pid";
const BYTES_MAX = 64;
/** What the original program is called by the kernel. */
const ORIGINAL = "fastway\n";

export class PidFile {
  readonly #folder: ProcessFolder;
  readonly #pid: number;

  constructor({ folder, pid }: { folder: ProcessFolder; pid: number }) {
    this.#folder = folder;
    this.#pid = pid;
  }

  /**
   * Writes it, and answers null; or leaves it to another relayx, or to the original program, that runs
   * and has written it, and answers that one's number. One that was left behind is replaced. Throws
   * where the folder takes no file.
   */
  claim(): number | null {
    const other = this.#written();
    if (other !== null && other !== this.#pid && isOfItsKind(other)) return other;
    this.#folder.publish(NAME, String(this.#pid));
    return null;
  }

  /** Removes it if it is ours. */
  release(): void {
    if (this.#written() === this.#pid) this.#folder.remove(NAME);
  }

  /** Null where there is none that can be read. */
  #written(): number | null {
    try {
      const text = this.#folder.read(NAME, BYTES_MAX).trim();
      return /^[1-9]\d{0,9}$/.test(text) ? Number(text) : null;
    } catch {
      return null;
    }
  }
}

/** Numbers are given out again: a process of another program has this one by chance. */
function isOfItsKind(pid: number): boolean {
  const other = programOf(pid);
  if (other === null) return false;
  return other === programOf("self") || other === nameOf("self") || nameOf(pid) === ORIGINAL;
}

/** Null where there is no such process. Its file may have been replaced by a newer one meanwhile. */
function programOf(pid: number | "self"): string | null {
  try {
    return readlinkSync(`/proc/${pid}/exe`).replace(/ \(deleted\)$/, "");
  } catch {
    // A process of another user does not show its file, but its name.
    return nameOf(pid);
  }
}

function nameOf(pid: number | "self"): string | null {
  try {
    return readFileSync(`/proc/${pid}/comm`, "utf8");
  } catch {
    return null;
  }
}
