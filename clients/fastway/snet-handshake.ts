/** The handshake of one connection of snet: a question, an answer of 24 bytes, and a proof. */
import type { Socket } from "node:net";
import { FastwayError } from "./errors.ts";
import { connectFailed, openSocket, type Target } from "./open-socket.ts";
import { plainBytes } from "./socket-writer.ts";
import { SNET_ANSWER_BYTES } from "./wire/mod.ts";

export interface SnetHandshakeOptions {
  target: Target;
  timeout_ms: number;
  request: () => Uint8Array;
  /** The proof that the answer asks for; throws a {@link FastwayError} where it accepts nothing. */
  prove: (answer: Uint8Array) => Uint8Array;
  /** The proof is on its way. `rest` came behind the answer. The socket has no listener. */
  done: (socket: Socket, rest: Uint8Array) => void;
  /** `is_final`: the gateway has answered, and another try would get the same answer. */
  failed: (error: FastwayError, is_final: boolean) => void;
}

export class SnetHandshake {
  readonly #options: SnetHandshakeOptions;
  readonly #socket: Socket;
  readonly #timer: ReturnType<typeof setTimeout>;
  #answer = new Uint8Array(0);
  #is_open = false;
  #is_over = false;
  #error: Error | null = null;

  constructor(options: SnetHandshakeOptions) {
    this.#options = options;
    this.#socket = openSocket(options.target, () => {
      this.#is_open = true;
      this.#socket.write(options.request());
    });
    this.#timer = setTimeout(() => this.#fail(this.#timedOut(), false), options.timeout_ms);
    this.#socket.on("data", this.#take);
    // This one stays: an error that nobody listens to would end the program.
    this.#socket.on("error", (error) => this.#error = error);
    this.#socket.on("end", this.#gone);
    this.#socket.on("close", this.#gone);
  }

  cancel(): void {
    this.#leave();
    this.#socket.destroy();
  }

  readonly #take = (piece: Uint8Array | string) => {
    const bytes = plainBytes(piece);
    const missing = SNET_ANSWER_BYTES - this.#answer.length;
    const answer = new Uint8Array(this.#answer.length + Math.min(missing, bytes.length));
    answer.set(this.#answer);
    answer.set(bytes.subarray(0, missing), this.#answer.length);
    this.#answer = answer;
    if (bytes.length < missing) return;
    let proof: Uint8Array;
    try {
      proof = this.#options.prove(answer);
    } catch (error) {
      if (error instanceof FastwayError) return this.#fail(error, true);
      throw error;
    }
    this.#leave();
    this.#socket.write(proof);
    this.#options.done(this.#socket, bytes.subarray(missing));
  };

  readonly #gone = () => {
    const cause = this.#error;
    if (!this.#is_open && cause) {
      return this.#fail(connectFailed(this.#options.target, cause), false);
    }
    this.#fail(
      new FastwayError("gateway_gone", "The gateway has ended the connection in snet's handshake", {
        cause: cause ?? undefined,
      }),
      false,
    );
  };

  #fail(error: FastwayError, is_final: boolean): void {
    if (this.#is_over) return;
    this.cancel();
    this.#options.failed(error, is_final);
  }

  #leave(): void {
    this.#is_over = true;
    clearTimeout(this.#timer);
    this.#socket.off("data", this.#take);
    this.#socket.off("end", this.#gone);
    this.#socket.off("close", this.#gone);
  }

  #timedOut(): FastwayError {
    return new FastwayError(
      "connect_timeout",
      `snet's handshake was not done after ${this.#options.timeout_ms} ms`,
    );
  }
}
