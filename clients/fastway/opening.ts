/** The start of an endpoint: its greeting, the gateway's challenge to it, and the wait for an answer. */
import { FastwayError } from "./errors.ts";
import type { Greeting } from "./greeting.ts";

export class Opening {
  readonly #greeting: Greeting;
  readonly #timeout_ms: number;
  /** The challenge as far as it has come; null when the greeting is sent. */
  #challenge: Uint8Array | null = new Uint8Array(0);
  #waiter: { resolve(): void; reject(error: FastwayError): void } | null = null;

  constructor({ greeting, timeout_ms }: { greeting: Greeting; timeout_ms: number }) {
    this.#greeting = greeting;
    this.#timeout_ms = timeout_ms;
  }

  /** Somebody waits for the gateway's answer. */
  get is_waited_for(): boolean {
    return this.#waiter !== null;
  }

  /** What comes is not frames yet. */
  get is_challenged(): boolean {
    return this.#challenge !== null;
  }

  /** Resolves with {@link done}; `expired` is called where neither that nor {@link failed} is in time. */
  wait(expired: (error: FastwayError) => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => expired(timedOut(this.#timeout_ms)), this.#timeout_ms);
      const settle = () => {
        clearTimeout(timer);
        this.#waiter = null;
      };
      this.#waiter = {
        resolve: () => (settle(), resolve()),
        reject: (error) => (settle(), reject(error)),
      };
    });
  }

  /** Adds to the challenge; answers what the greeting is once it is whole, and where frames begin. */
  take(bytes: Uint8Array): { hello: Uint8Array | null; from: number } {
    const before = this.#challenge!;
    const missing = Math.min(this.#greeting.challenge_bytes - before.length, bytes.length);
    const challenge = new Uint8Array(before.length + missing);
    challenge.set(before);
    challenge.set(bytes.subarray(0, missing), before.length);
    this.#challenge = challenge;
    if (challenge.length < this.#greeting.challenge_bytes) return { hello: null, from: missing };
    this.#challenge = null;
    return { hello: this.#greeting.answer(challenge), from: missing };
  }

  done(): void {
    this.#waiter?.resolve();
  }

  failed(error: FastwayError): void {
    this.#waiter?.reject(error);
  }
}

function timedOut(timeout_ms: number): FastwayError {
  return new FastwayError(
    "connect_timeout",
    `The gateway had not answered after ${timeout_ms} ms`,
  );
}
