/**
 * Where a client says who it is, if the configuration asks for it: one Token frame before anything
 * else (see `clients/fastway/wire/frames.ts`). What it sends behind it stays where it is until the
 * control side has decided.
 */
import {
  HEAD_BYTES,
  LENGTH_BYTES,
  LENGTH_MIN,
  readU32,
  TOKEN,
  TOKEN_BYTES_MAX,
} from "../../../clients/fastway/wire/frames.ts";
import type { FastwayContext } from "./context.ts";
import { ExactRead } from "./exact-read.ts";
import type { Arrival, Stage } from "./stage.ts";
import type { StreamOwner } from "./stream.ts";

type NextStage = (arrival: Arrival, token: string) => void;

/** What Length counts of a Token frame before its text: the ConnID and the type. */
const BEFORE_TEXT_BYTES = LENGTH_MIN + 1;

const utf8 = new TextDecoder("utf-8", { fatal: true });

export class TokenStage implements Stage {
  readonly #context: FastwayContext;
  readonly #next: NextStage;

  constructor({ context, next }: { context: FastwayContext; next: NextStage }) {
    this.#context = context;
    this.#next = next;
  }

  enter(arrival: Arrival): void {
    const { handshake_timeout_ms } = this.#context.settings;
    const late = `no complete Token frame within ${handshake_timeout_ms} ms`;
    arrival.allow(handshake_timeout_ms, "token_missing", late);
    new Asked({ context: this.#context, arrival, next: this.#next }).start();
  }
}

/** A client that has not sent its token yet. */
class Asked implements StreamOwner {
  readonly #context: FastwayContext;
  readonly #arrival: Arrival;
  readonly #next: NextStage;
  readonly #head = new ExactRead(HEAD_BYTES);
  #body: ExactRead | null = null;

  constructor(options: { context: FastwayContext; arrival: Arrival; next: NextStage }) {
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
    if (!this.#read(this.#head)) return;
    if (this.#body === null) {
      const length = readU32(this.#head.bytes, 0);
      const id = readU32(this.#head.bytes, LENGTH_BYTES);
      const text_bytes = length - BEFORE_TEXT_BYTES;
      if (id !== 0 || text_bytes < 1 || text_bytes > TOKEN_BYTES_MAX) {
        return this.#refuse(`the first frame has Length ${length} and ConnID ${id}`);
      }
      this.#body = new ExactRead(length - LENGTH_MIN);
    }
    if (!this.#read(this.#body)) return;
    const [type] = this.#body.bytes;
    if (type !== TOKEN) return this.#refuse(`the first frame is command ${type}`);
    let token: string;
    try {
      token = utf8.decode(this.#body.bytes.subarray(1));
    } catch {
      return this.#refuse("the token is not UTF-8");
    }
    this.#next(arrival, token);
  }

  streamAway(): void {}

  streamBack(): void {
    this.streamReady();
  }

  /** True when it is whole. */
  #read(what: ExactRead): boolean {
    const { stream } = this.#arrival;
    if (!what.read(stream, this.#context)) this.#refuse("the connection ended before its token");
    return !this.#arrival.is_over && what.is_whole;
  }

  #refuse(detail: string): void {
    const asked = `fastway.client_auth asks for a Token frame of at most ${TOKEN_BYTES_MAX} bytes`;
    this.#arrival.refuse("token_missing", `${detail}; ${asked} first`);
  }
}
