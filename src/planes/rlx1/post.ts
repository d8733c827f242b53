/** Our messages as bytes: signed where that is wanted, made once however many get them. */
import { Buffer } from "node:buffer";
import type { Stamp } from "./messages.ts";
import type { Signatures } from "./signatures.ts";

export const NO_STAMP: Stamp = Object.freeze({ trace_id: "", msg_id: "" });

export class Post {
  readonly #signatures: Signatures;

  constructor(options: { signatures: Signatures }) {
    this.#signatures = options.signatures;
  }

  write(type: string, payload: unknown, stamp = NO_STAMP): Buffer {
    return this.writeRaw(type, JSON.stringify(payload), stamp);
  }

  /** `payload` is JSON already, and may have numbers that JavaScript has not. */
  writeRaw(type: string, payload: string, stamp = NO_STAMP): Buffer {
    const rest = JSON.stringify(this.#signatures.seal(type, payload, stamp)).slice(1);
    const head = `{"type":"${type}","payload":${payload}`;
    return Buffer.from(rest === "}" ? `${head}}\n` : `${head},${rest}\n`);
  }
}
