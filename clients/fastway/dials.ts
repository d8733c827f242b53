/**
 * Dials that wait for their answer. The gateway names only who was dialled in it, so the dials of one
 * id are answered in their order; one that was given up keeps its place until its answer comes.
 */
import { abortedError, FastwayError } from "./errors.ts";

export interface DialOptions {
  /** 1 to 3,600,000 ms. Default 10,000. */
  timeout_ms?: number;
  signal?: AbortSignal;
}

/** Dials whose answers have not come, given up or not; no more are taken. */
const DIALS_MAX = 65_536;
const TIMEOUT_MS = 10_000;

/** `null` for a dial that was given up: nobody wants its connection any more. */
export interface WaitingDial<Connection> {
  accepted: ((connection: Connection) => void) | null;
  failed(error: FastwayError): void;
}

export class Dials<Connection> {
  readonly #byRemote = new Map<number, WaitingDial<Connection>[]>();
  #count = 0;

  get count(): number {
    return this.#count;
  }

  wait(
    remoteId: number,
    { timeout_ms = TIMEOUT_MS, signal }: DialOptions,
  ): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", aborted);
        dial.accepted = null;
      };
      const failed = (error: FastwayError) => {
        if (dial.accepted === null) return;
        settle();
        reject(error);
      };
      const aborted = () => failed(abortedError(signal!));
      const timer = setTimeout(() => failed(timedOut(remoteId, timeout_ms)), timeout_ms);
      const dial: WaitingDial<Connection> = {
        accepted: (connection) => {
          settle();
          resolve(connection);
        },
        failed,
      };
      signal?.addEventListener("abort", aborted, { once: true });
      this.#add(remoteId, dial);
    });
  }

  /** Why no more can wait, or null. */
  whyNot({ signal }: DialOptions): FastwayError | null {
    if (signal?.aborted) return abortedError(signal);
    if (this.#count < DIALS_MAX) return null;
    return new FastwayError(
      "dial_too_many",
      `${DIALS_MAX} dials wait for their answer; no more may`,
    );
  }

  /** The dial that an answer for this id belongs to, which is off the list now. */
  take(remoteId: number): WaitingDial<Connection> | null {
    const dials = this.#byRemote.get(remoteId);
    const dial = dials?.shift();
    if (!dials || !dial) return null;
    if (dials.length === 0) this.#byRemote.delete(remoteId);
    this.#count--;
    return dial;
  }

  end(error: FastwayError): void {
    for (const dials of this.#byRemote.values()) {
      for (const dial of dials) dial.failed(error);
    }
    this.#byRemote.clear();
    this.#count = 0;
  }

  #add(remoteId: number, dial: WaitingDial<Connection>): void {
    const dials = this.#byRemote.get(remoteId);
    if (dials) dials.push(dial);
    else this.#byRemote.set(remoteId, [dial]);
    this.#count++;
  }
}

function timedOut(remoteId: number, timeout_ms: number): FastwayError {
  return new FastwayError(
    "dial_timeout",
    `Nothing came of the dial to ${remoteId} in ${timeout_ms} ms`,
  );
}
