/**
 * One thread of another process brought to a stand while the others go on, as a debugger does it
 * (ptrace): what a worker looks like that hangs.
 */
import { readdirSync, readFileSync } from "node:fs";
import { backend } from "../../ffi/backend/mod.ts";
import { openLibc } from "../../ffi/libc/mod.ts";

const PTRACE_DETACH = 17;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
/** Threads that were not made by fork are waited for as well. */
const WALL = 0x40000000;

const { calls } = backend.open("libc.so.6", {
  /** `long ptrace(enum __ptrace_request op, pid_t pid, void *addr, void *data)` */
  ptrace: { parameters: ["i32", "i32", "usize", "usize"], result: "i32" },
  /** `pid_t waitpid(pid_t pid, int *wstatus, int options)` */
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
});

export class FrozenThread {
  readonly #thread: number;

  /** The thread stands still when this returns. Needs the right to trace, as for a child of ours. */
  constructor(thread: number) {
    this.#thread = thread;
    this.#ask(PTRACE_SEIZE, "PTRACE_SEIZE");
    this.#ask(PTRACE_INTERRUPT, "PTRACE_INTERRUPT");
    if (calls.waitpid(thread, new Int32Array(1), WALL) !== thread) {
      throw openLibc().failure("waitpid", `${thread}`);
    }
  }

  /** Lets it go on, or be gone: the process may have ended, which its tracer has to take note of. */
  thaw(): void {
    if (calls.ptrace(PTRACE_DETACH, this.#thread, 0, 0) === 0) return;
    if (calls.waitpid(this.#thread, new Int32Array(1), WALL) !== this.#thread) {
      throw openLibc().failure("PTRACE_DETACH", `${this.#thread}`);
    }
  }

  #ask(request: number, name: string): void {
    if (calls.ptrace(request, this.#thread, 0, 0) !== 0) {
      throw openLibc().failure(name, `${this.#thread}`);
    }
  }
}

/** Numbers of the system calls that workers wait in, x86-64: `epoll_wait` for TCP, `poll` for SRT. */
const WAITS_IN = { tcp: 232, srt: 7 } as const;

/** The data workers' threads, by the call that each of them blocks in while there is nothing to do. */
export function workerThreads(pid: number, kind: keyof typeof WAITS_IN): number[] {
  return readdirSync(`/proc/${pid}/task`).map(Number).filter((thread) => {
    const task = `/proc/${pid}/task/${thread}`;
    // Bun's name for it, or Deno's.
    return /^(Worker|worker-\d+)$/m.test(readFileSync(`${task}/comm`, "utf8")) &&
      readFileSync(`${task}/syscall`, "utf8").startsWith(`${WAITS_IN[kind]} `);
  });
}
