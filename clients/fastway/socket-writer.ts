/** Writes to a socket in as few system calls as it can, and knows how much of it still waits. */
import type { Socket } from "node:net";

export class SocketWriter {
  readonly #socket: Socket;
  readonly #drained: () => void;
  #waiting_bytes = 0;

  constructor({ socket, drained }: { socket: Socket; drained: () => void }) {
    this.#socket = socket;
    this.#drained = drained;
  }

  get waiting_bytes(): number {
    return this.#waiting_bytes;
  }

  write(pieces: readonly Uint8Array[]): void {
    if (pieces.length === 0) return;
    let bytes = 0;
    // Corked, the pieces go to the kernel together and are not copied into one.
    if (pieces.length > 1) this.#socket.cork();
    for (let i = 0; i < pieces.length - 1; i++) {
      bytes += pieces[i].length;
      this.#socket.write(pieces[i]);
    }
    const last = pieces[pieces.length - 1];
    bytes += last.length;
    this.#waiting_bytes += bytes;
    this.#socket.write(last, () => {
      this.#waiting_bytes -= bytes;
      this.#drained();
    });
    if (pieces.length > 1) this.#socket.uncork();
  }
}

/**
 * The same bytes as what all runtimes call bytes: cutting a piece out of a Buffer means something else.
 */
export function plainBytes(bytes: Uint8Array | string): Uint8Array {
  if (typeof bytes === "string") throw new TypeError("A socket without an encoding gives bytes");
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** How long what is written may take to leave, and then the other end to end it too, ms. */
const FLUSH_MS = 10_000;
const LINGER_MS = 1000;

/** Ends the socket in order, and resolves when it is gone. */
export function endSocket(socket: Socket): Promise<void> {
  if (socket.destroyed) return Promise.resolve();
  return new Promise((resolve) => {
    let timer = setTimeout(() => socket.destroy(), FLUSH_MS);
    socket.once("close", () => {
      clearTimeout(timer);
      resolve();
    });
    // What comes until then is for nobody, but while it is not read the end is not seen.
    socket.resume();
    socket.end(() => {
      clearTimeout(timer);
      timer = setTimeout(() => socket.destroy(), LINGER_MS);
    });
  });
}
