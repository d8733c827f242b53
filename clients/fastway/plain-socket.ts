/** One socket for the life of an endpoint. */
import type { Socket } from "node:net";
import { FastwayError } from "./errors.ts";
import { connectFailed, openSocket, type Target } from "./open-socket.ts";
import { endSocket, plainBytes, SocketWriter } from "./socket-writer.ts";
import type { Transport, TransportOwner } from "./transport.ts";

export class PlainSocket implements Transport {
  readonly unacknowledged_max = Infinity;
  written_bytes = 0;
  readonly #target: Target;
  #owner: TransportOwner | null = null;
  #socket: Socket | null = null;
  #writer: SocketWriter | null = null;
  #is_open = false;
  #error: Error | null = null;

  constructor(target: Target) {
    this.#target = target;
  }

  get waiting_bytes(): number {
    return this.#writer?.waiting_bytes ?? 0;
  }

  start(owner: TransportOwner): void {
    this.#owner = owner;
    const socket = openSocket(this.#target, () => {
      this.#is_open = true;
      this.#owner?.transportOpen();
    });
    this.#socket = socket;
    this.#writer = new SocketWriter({ socket, drained: () => this.#owner?.transportDrained() });
    socket.on("data", (bytes) => this.#owner?.transportBytes(plainBytes(bytes)));
    // Nothing that is still to be written would be read.
    socket.on("end", () => this.#owner && socket.destroy());
    socket.on("error", (error) => this.#error = error);
    socket.on("close", () => this.#over(this.#whyClosed()));
  }

  write(pieces: Uint8Array[]): void {
    for (const piece of pieces) this.written_bytes += piece.length;
    if (this.#owner) this.#writer?.write(pieces);
  }

  acknowledge(): void {}

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  suspect(error: FastwayError): void {
    this.#over(error);
  }

  end(): Promise<void> {
    this.#owner = null;
    return this.#socket ? endSocket(this.#socket) : Promise.resolve();
  }

  destroy(): void {
    this.#owner = null;
    this.#socket?.destroy();
  }

  #over(error: FastwayError): void {
    const owner = this.#owner;
    this.destroy();
    owner?.transportOver(error);
  }

  #whyClosed(): FastwayError {
    const cause = this.#error;
    if (!this.#is_open && cause) return connectFailed(this.#target, cause);
    const how = cause ? (cause as NodeJS.ErrnoException).code ?? cause.message : "in order";
    return new FastwayError("gateway_gone", `The gateway has ended the connection (${how})`, {
      cause: cause ?? undefined,
    });
  }
}
