/** The supervisor's end of sd_notify(3): a Unix datagram socket, its messages taken apart. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  AF_UNIX,
  EAGAIN,
  encodeUnixAddress,
  type Libc,
  MSG_DONTWAIT,
  openLibc,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "../../ffi/libc/mod.ts";
import { Inbox } from "./inbox.ts";

/** One message: its lines by their names. */
export type Notice = Record<string, string>;

/** A datagram socket has no way to wake this process, so it is looked at this often. */
const LOOK_MS = 5;
const MESSAGE_BYTES_MAX = 4096;

export class Supervisor {
  readonly notices = new Inbox<Notice>();
  /** What goes into NOTIFY_SOCKET. */
  readonly address: string;
  readonly #folder: string | null;
  readonly #libc: Libc = openLibc();
  readonly #descriptor: number;
  #timer: ReturnType<typeof setInterval> | undefined;

  /** On a path of its own, or, with a name, without a file. */
  constructor({ abstract_name }: { abstract_name?: string } = {}) {
    this.#folder = abstract_name === undefined
      ? mkdtempSync(join(tmpdir(), "relayx-supervisor-"))
      : null;
    this.address = this.#folder === null ? `@${abstract_name}` : join(this.#folder, "notify");
    const address = encodeUnixAddress(this.address);
    this.#descriptor = this.#libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (this.#libc.bind(this.#descriptor, address, address.length) !== 0) {
      throw this.#libc.failure("bind", this.address);
    }
    this.listen();
  }

  /** The next message with these lines; it is used up. `*` stands for any value. */
  next(lines: Notice, ms?: number): Promise<Notice> {
    return this.notices.take(
      `a message with ${JSON.stringify(lines)}`,
      (notice) => has(notice, lines),
      ms,
    );
  }

  /** Messages with these lines that have come and were not used up. */
  count(lines: Notice): number {
    return this.notices.items.filter((notice) => has(notice, lines)).length;
  }

  /** Takes what comes, again after {@link hang}. */
  listen(): void {
    this.#timer ??= setInterval(() => this.#receive(), LOOK_MS);
  }

  /** Takes nothing any more: the kernel's queue fills up. */
  hang(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  close(): void {
    this.hang();
    this.#libc.close(this.#descriptor);
    if (this.#folder !== null) rmSync(this.#folder, { recursive: true });
  }

  #receive(): void {
    for (;;) {
      const bytes = new Uint8Array(MESSAGE_BYTES_MAX);
      const length = this.#libc.recv(this.#descriptor, bytes, bytes.length, MSG_DONTWAIT);
      if (length < 0 && this.#libc.errno() === EAGAIN) return;
      if (length < 0) throw this.#libc.failure("recv");
      const text = new TextDecoder().decode(bytes.subarray(0, length));
      this.notices.push(
        Object.fromEntries(
          text.split("\n").filter(Boolean).map((line) => {
            const at = line.indexOf("=");
            return [line.slice(0, at), line.slice(at + 1)];
          }),
        ),
      );
    }
  }
}

function has(notice: Notice, lines: Notice): boolean {
  return Object.entries(lines).every(([name, value]) =>
    name in notice && (value === "*" || notice[name] === value)
  );
}
