/** A back end's connection to one data port: says hello, waits, and sends back whatever comes. */
import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { helloLine } from "./control.ts";

export interface EchoConnectionOptions {
  host: string;
  port: number;
  label: "zmq" | "srt";
  client_id: string;
  /** Once; `error` is empty after an orderly end. */
  onGone: (bytes: number, error: string) => void;
}

export class EchoConnection {
  readonly label: "zmq" | "srt";
  /** Sent back so far. */
  bytes = 0;
  /** The gateway has not said yet that the port is ready. */
  isArriving = true;
  readonly #options: EchoConnectionOptions;
  #socket: Socket | null = null;

  constructor(options: EchoConnectionOptions) {
    this.#options = options;
    this.label = options.label;
  }

  start(): void {
    const { host, port, client_id, onGone } = this.#options;
    let error = "";
    const socket = this.#socket = connect({ host, port, noDelay: true });
    socket.on("connect", () => socket.write(helloLine("BE", client_id)));
    socket.on("data", (chunk: Buffer) => {
      this.isArriving = false;
      this.bytes += chunk.length;
      // Who does not take its echo is not read from either.
      if (!socket.write(chunk)) socket.pause();
    });
    socket.on("drain", () => socket.resume());
    socket.on("error", (reason: Error & { code?: string }) => {
      error = reason.code ?? reason.message;
    });
    socket.on("close", () => onGone(this.bytes, error));
  }

  arrived(): void {
    this.isArriving = false;
  }

  close(): void {
    this.#socket?.destroy();
  }
}
