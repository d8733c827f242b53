/**
 * The datagrams by which a service tells its supervisor how it is (systemd's sd_notify(3)): one text
 * of `KEY=value` lines to the Unix socket that the environment names. No runtime offers Unix
 * datagrams, so they go through libc.
 */
import { Buffer } from "node:buffer";
import {
  AF_UNIX,
  CLOCK_MONOTONIC,
  EAGAIN,
  encodeUnixAddress,
  type Libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  openLibc,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
} from "../../ffi/libc/mod.ts";

export class NotifySocket {
  readonly #path: string;
  #address: Uint8Array = new Uint8Array();
  #libc: Libc | null = null;
  #descriptor = -1;

  constructor({ path }: { path: string }) {
    this.#path = path;
  }

  /** Throws where the path is not the address of a Unix socket. */
  start(): void {
    if (!/^[/@]/.test(this.#path)) {
      throw new Error(
        `Cannot report to ${JSON.stringify(this.#path)}: allowed are the absolute path of a Unix ` +
          "socket, and a name without a file with @ in front",
      );
    }
    this.#address = encodeUnixAddress(this.#path);
    this.#libc = openLibc();
    this.#descriptor = this.#libc.socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (this.#descriptor < 0) throw this.#libc.failure("socket");
  }

  /**
   * Sends one message; false where the supervisor's queue is full, so that a supervisor that hangs
   * never holds up the gateway. Throws where nobody can be reached.
   */
  send(text: string): boolean {
    const libc = this.#libc;
    if (libc === null) throw new Error("The notify socket has not been started");
    const bytes = Buffer.from(text);
    const flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    const { length } = this.#address;
    const sent = libc.sendto(
      this.#descriptor,
      bytes,
      bytes.length,
      flags,
      this.#address,
      length,
    );
    if (sent >= 0) return true;
    if (libc.errno() === EAGAIN) return false;
    throw libc.failure("sendto", this.#path);
  }

  /** The machine's monotonic clock, by which a supervisor orders a reload's messages, µs. */
  monotonicUs(): bigint {
    const time = new BigInt64Array(2);
    if (this.#libc === null || this.#libc.clock_gettime(CLOCK_MONOTONIC, time) !== 0) {
      throw new Error("Cannot read the monotonic clock");
    }
    return time[0] * 1_000_000n + time[1] / 1000n;
  }

  close(): void {
    if (this.#descriptor >= 0) this.#libc?.close(this.#descriptor);
    this.#descriptor = -1;
  }
}
