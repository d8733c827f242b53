/**
 * A TCP end that reads when it is told to, by the system calls themselves. A runtime's own socket
 * throws away what it has not read yet when a reset comes; the kernel keeps it, and so does this.
 */
import { Buffer } from "node:buffer";
import { backend } from "../../ffi/backend/mod.ts";
import {
  AF_INET,
  EAGAIN,
  encodeAddress,
  type Libc,
  MSG_DONTWAIT,
  MSG_NOSIGNAL,
  openLibc,
  SOCK_CLOEXEC,
  SOCK_STREAM,
} from "../../ffi/libc/mod.ts";
import { patience_ms } from "../harness/deadline.ts";

const connecting = {
  /** `int connect(int fd, const struct sockaddr *addr, socklen_t addrlen)` */
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
} as const;

export class RawEnd {
  readonly #libc: Libc = openLibc();
  readonly #fd: number;

  constructor({ port }: { port: number }) {
    const libc = this.#libc;
    this.#fd = libc.socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const { calls } = backend.open("libc.so.6", connecting);
    const address = encodeAddress("127.0.0.1", port);
    if (calls.connect(this.#fd, address, address.length) < 0) throw libc.failure("connect");
  }

  /** Sends what fits; false when the connection is broken. */
  write(bytes: Uint8Array): boolean {
    return this.#libc.send(this.#fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
  }

  /** Reads to the end, whether that is an orderly one or a reset. */
  async readAll(): Promise<{ bytes: Buffer; orderly: boolean }> {
    const pieces: Buffer[] = [];
    const piece = new Uint8Array(65_536);
    const until_ms = performance.now() + patience_ms;
    while (performance.now() < until_ms) {
      const read = this.#libc.recv(this.#fd, piece, piece.length, MSG_DONTWAIT);
      if (read > 0) pieces.push(Buffer.from(piece.subarray(0, read)));
      else if (read === 0) return { bytes: Buffer.concat(pieces), orderly: true };
      else if (this.#libc.errno() !== EAGAIN) {
        return { bytes: Buffer.concat(pieces), orderly: false };
      } else await new Promise((resolve) => setTimeout(resolve, 2));
    }
    throw new Error(`no end within ${patience_ms} ms`);
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}
