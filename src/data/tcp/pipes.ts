/**
 * The pipes that bytes pass through on their way from one socket to the other. A pipe holds page
 * references, not copies; it is borrowed while bytes are inside and given back empty, so an idle
 * session has none.
 */
import {
  F_GETPIPE_SZ,
  F_SETPIPE_SZ,
  type Libc,
  O_CLOEXEC,
  O_NONBLOCK,
  type SystemCallError,
} from "../../../ffi/libc/mod.ts";

/** The most an unprivileged process may ask for by default (fs.pipe-max-size). */
export const PIPE_BYTES = 1 << 20;
/** Empty pipes kept for the next bytes; each costs two descriptors and 10 KiB of slots. */
const SPARE_MAX = 64;

export interface Pipe {
  readonly read: number;
  readonly write: number;
  /** Pieces it holds; each is of one byte at least and of one page at most. */
  readonly slots: number;
}

export class PipePool {
  readonly #libc: Libc;
  readonly #page_bytes: number;
  readonly #spare: Pipe[] = [];
  readonly #lent = new Set<Pipe>();
  readonly #pair = new Int32Array(2);

  constructor({ libc }: { libc: Libc }) {
    this.#libc = libc;
    this.#page_bytes = libc.getpagesize();
  }

  /** Lends an empty pipe; an error where the process has no descriptors left. */
  borrow(): Pipe | SystemCallError {
    const pipe = this.#spare.pop() ?? this.#make();
    if (!(pipe instanceof Error)) this.#lent.add(pipe);
    return pipe;
  }

  /** Takes an empty pipe back. */
  giveBack(pipe: Pipe): void {
    this.#lent.delete(pipe);
    if (this.#spare.length < SPARE_MAX) this.#spare.push(pipe);
    else this.#destroy(pipe);
  }

  /** Takes a pipe back with what is still in it: the bytes are dropped with the pipe. */
  discard(pipe: Pipe): void {
    this.#lent.delete(pipe);
    this.#destroy(pipe);
  }

  close(): void {
    for (const pipe of [...this.#lent, ...this.#spare]) this.#destroy(pipe);
    this.#lent.clear();
    this.#spare.length = 0;
  }

  #make(): Pipe | SystemCallError {
    const libc = this.#libc;
    if (libc.pipe2(this.#pair, O_NONBLOCK | O_CLOEXEC) < 0) return libc.failure("pipe2");
    const [read, write] = this.#pair;
    // Beyond fs.pipe-user-pages-soft the kernel refuses and may have made the pipe very small; one of
    // any size works, only slower.
    for (let bytes = PIPE_BYTES; bytes > 65_536; bytes /= 2) {
      if (libc.fcntl(write, F_SETPIPE_SZ, bytes) >= 0) break;
    }
    const bytes = libc.fcntl(write, F_GETPIPE_SZ, 0);
    return { read, write, slots: Math.floor(bytes / this.#page_bytes) };
  }

  #destroy(pipe: Pipe): void {
    this.#libc.close(pipe.read);
    this.#libc.close(pipe.write);
  }
}
