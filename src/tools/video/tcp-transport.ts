/** The TCP side of the tools: one `node:net` socket, half-open allowed so that a tail gets through. */
import { type Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import {
  type DialOptions,
  type Transport,
  TransportError,
  type TransportListener,
} from "./transport.ts";

class TcpTransport implements Transport {
  readonly kind = "zmq";
  readonly #socket: Socket;
  readonly #listener: TransportListener;
  #error: TransportError | null = null;
  #closed = false;

  constructor(socket: Socket, listener: TransportListener) {
    this.#socket = socket;
    this.#listener = listener;
    socket.on("data", (chunk: Buffer) => this.#listener.onBytes(chunk));
    socket.on("drain", () => this.#listener.onDrain());
    socket.on("end", () => this.#listener.onEnd());
    socket.on("error", (error: Error & { code?: string }) => {
      this.#error ??= new TransportError(error.code ?? "EIO", error.message);
    });
    socket.on("close", () => {
      if (this.#closed) return;
      this.#closed = true;
      this.#listener.onClose(this.#error);
    });
  }

  write(bytes: Uint8Array): boolean {
    if (this.#socket.destroyed || this.#socket.writableEnded) return false;
    return this.#socket.write(bytes);
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  finish(): void {
    if (!this.#socket.destroyed) this.#socket.end();
  }

  abort(): void {
    if (!this.#socket.destroyed) this.#socket.resetAndDestroy();
  }

  line(): null {
    return null;
  }
}

/** Connects and sends the hello; rejects with {@link TransportError}. */
export function dialTcp(options: DialOptions): Promise<Transport> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: options.host, port: options.port, allowHalfOpen: true });
    const refuse = (error: Error & { code?: string }) => {
      socket.destroy();
      reject(new TransportError(error.code ?? "EIO", error.message));
    };
    socket.once("error", refuse);
    socket.once("connect", () => {
      socket.off("error", refuse);
      socket.setNoDelay(true);
      const transport = new TcpTransport(socket, options.listener);
      socket.write(options.hello);
      options.listener.onOpen(transport);
      resolve(transport);
    });
  });
}
