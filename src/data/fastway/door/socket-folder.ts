/**
 * The folder of the Unix sockets between the door and the workers: only this user can enter it, and so
 * nobody else can reach a worker past the door, or pose as one. It goes with the gateway; one whose
 * gateway was killed is removed by the next one of the same user.
 *
 * A folder's name says whose it is: `relayx-door-<pid namespace>-<pid>-<start of the process>-XXXXXX`.
 */
import {
  chmodSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { UNIX_PATH_BYTES_MAX } from "../../../../ffi/libc/mod.ts";

const PREFIX = "relayx-door-";
const NAME = /^relayx-door-(\d+)-(\d+)-(\d+)-[^-]+$/;
/** In `/proc/<pid>/stat`, counted behind the name of the program, which is in brackets. */
const START_FIELD = 19;
/** What mkdtemp puts in the place of a folder's last letters, and the longest name in it. */
const TAIL_BYTES = "XXXXXX/client-255".length;

export class SocketFolder {
  readonly path: string;

  /** Throws where it cannot be made, with a message that says what to do. */
  constructor(parent: string = tmpdir()) {
    removeStale(parent);
    const prefix = join(parent, `${PREFIX}${pidNamespace()}-${process.pid}-${startOf("self")}-`);
    if (prefix.length + TAIL_BYTES > UNIX_PATH_BYTES_MAX) {
      throw new Error(
        `the folder for temporary files, ${parent}, has too long a name for a Unix socket in it: ` +
          `set TMPDIR to one of at most ${UNIX_PATH_BYTES_MAX - TAIL_BYTES - 50} characters`,
      );
    }
    this.path = mkdtempSync(prefix);
    // What mkdtemp of libc promises, and not every runtime's own.
    chmodSync(this.path, 0o700);
  }

  file(name: string): string {
    return join(this.path, name);
  }

  close(): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Folders of this user whose process is no more. Whatever cannot be looked at stays. */
function removeStale(parent: string): void {
  const here = pidNamespace();
  for (const name of attempt(() => readdirSync(parent)) ?? []) {
    const [, namespace, pid, start] = NAME.exec(name) ?? [];
    // A process of another container cannot be seen from here.
    if (pid === undefined || namespace !== here || startOf(pid) === start) continue;
    const path = join(parent, name);
    const stat = attempt(() => lstatSync(path));
    if (!stat?.isDirectory() || stat.uid !== process.getuid?.()) continue;
    attempt(() => rmSync(path, { recursive: true, force: true }));
  }
}

/** When the process began, in ticks since the machine did; 0: there is none. */
function startOf(pid: string): string {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "latin1")) ?? "";
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return fields[START_FIELD] ?? "0";
}

function pidNamespace(): string {
  return /\d+/.exec(attempt(() => readlinkSync("/proc/self/ns/pid")) ?? "")?.[0] ?? "0";
}

function attempt<T>(look: () => T): T | null {
  try {
    return look();
  } catch {
    return null;
  }
}
