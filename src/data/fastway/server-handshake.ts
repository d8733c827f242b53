/**
 * How a server proves itself: it gets a challenge of 8 random bytes, and answers with the proof and its
 * id (see `clients/fastway/wire/server-proof.ts`). It is not told that it was right, and closed without
 * a word where it was wrong.
 */
import { Buffer } from "node:buffer";
import { randomFillSync, timingSafeEqual } from "node:crypto";
import { readU32 } from "../../../clients/fastway/wire/frames.ts";
import {
  CHALLENGE_BYTES,
  PROOF_BYTES,
  SERVER_HELLO_BYTES,
  serverProof,
} from "../../../clients/fastway/wire/server-proof.ts";
import type { FastwayContext } from "./context.ts";
import { ExactRead } from "./exact-read.ts";
import { READ_AT } from "./receive-area.ts";
import type { Arrival, Stage } from "./stage.ts";
import { type StreamOwner, WOULD_BLOCK } from "./stream.ts";

export class ServerHandshake implements Stage {
  readonly #context: FastwayContext;
  readonly #next: (arrival: Arrival, id: number) => void;

  constructor(
    options: { context: FastwayContext; next: (arrival: Arrival, id: number) => void },
  ) {
    this.#context = options.context;
    this.#next = options.next;
  }

  enter(arrival: Arrival): void {
    const { handshake_timeout_ms } = this.#context.settings;
    const late = `no complete proof within ${handshake_timeout_ms} ms`;
    arrival.allow(handshake_timeout_ms, "handshake_error", late);
    new Challenged({ context: this.#context, arrival, next: this.#next }).start();
  }
}

/** A server that has been asked for its proof. */
class Challenged implements StreamOwner {
  readonly #context: FastwayContext;
  readonly #arrival: Arrival;
  readonly #next: (arrival: Arrival, id: number) => void;
  readonly #challenge = randomFillSync(new Uint8Array(CHALLENGE_BYTES));
  readonly #hello = new ExactRead(SERVER_HELLO_BYTES);
  #sent_bytes = 0;

  constructor(options: {
    context: FastwayContext;
    arrival: Arrival;
    next: (arrival: Arrival, id: number) => void;
  }) {
    this.#context = options.context;
    this.#arrival = options.arrival;
    this.#next = options.next;
  }

  start(): void {
    this.#arrival.stream.owner = this;
    this.streamReady();
  }

  streamReady(): void {
    const arrival = this.#arrival;
    if (arrival.is_over) return;
    if (!this.#send() || !this.#hello.read(arrival.stream, this.#context)) {
      return arrival.refuse("handshake_error", "the connection ended before its proof");
    }
    if (!this.#hello.is_whole) return;
    const { bytes } = this.#hello;
    const key = Buffer.from(this.#context.settings.server_key);
    if (!timingSafeEqual(bytes.subarray(0, PROOF_BYTES), serverProof(this.#challenge, key))) {
      return arrival.refuse("handshake_error", "a wrong proof: fastway.ServerAuthKey is another");
    }
    this.#next(arrival, readU32(bytes, PROOF_BYTES));
  }

  streamAway(): void {}

  streamBack(): void {
    this.streamReady();
  }

  /** False where the stream is over. */
  #send(): boolean {
    const { area, pieces } = this.#context;
    while (this.#sent_bytes < CHALLENGE_BYTES) {
      area.bytes.set(this.#challenge, READ_AT);
      pieces.clear();
      pieces.add(area, READ_AT + this.#sent_bytes, READ_AT + CHALLENGE_BYTES);
      const sent = this.#arrival.stream.write(pieces);
      if (sent < 0) return sent === WOULD_BLOCK;
      this.#sent_bytes += sent;
    }
    return true;
  }
}
