/**
 * A connection that is through the door: what it says inside TLS goes to a worker's Unix socket and
 * back, as it is, behind a PROXY header that tells the worker where it comes from.
 *
 * Memory is bounded by the streams' own marks: whoever is slower holds the other up. A half-close is
 * passed on as one, an abort as an abort; once one side has ended in order, what it said last has
 * {@link FAREWELL_MS_MAX} to reach the other. (Bun itself ends a connection whose peer has ended its
 * side of TLS. Deno reads on from a peer that is faster than the worker, and misses an end that comes
 * meanwhile; there the worker's idle timeout ends the connection.)
 */
import { connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { clearTimeout, setTimeout } from "node:timers";

/** As long as the control port waits for a peer to take its last words. */
const FAREWELL_MS_MAX = 2000;
/** A worker that dies is replaced within a second; until then its socket is asked again. */
const RETRY_MS = 50;

export interface PassageOptions {
  /** The encrypted connection. */
  outer: Duplex;
  /** Where a worker listens. */
  path: string;
  header: Uint8Array;
  /** A worker has it. */
  onOpen: () => void;
  /** Called once, when nothing is left of it. */
  onOver: () => void;
}

export class Passage {
  /** Why the worker's socket did not take the connection the last time; empty: it was not asked yet. */
  error = "";
  readonly #options: PassageOptions;
  #inner: Socket | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #farewell: ReturnType<typeof setTimeout> | null = null;
  #over = false;

  constructor(options: PassageOptions) {
    this.#options = options;
  }

  /** Asks the worker until it takes the connection or {@link close} is called. */
  open(): void {
    this.#options.outer.once("close", () => this.#outerClosed());
    this.#connect();
  }

  /** Cuts both sides at once. */
  close(): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    if (this.#farewell !== null) clearTimeout(this.#farewell);
    this.#options.outer.destroy();
    this.#inner?.destroy();
    this.#options.onOver();
  }

  /** The connection under TLS is gone. What has come by it may still be on its way to the worker. */
  onTcpClosed(): void {
    if (this.#inner === null) this.close();
    else this.#endSoon();
  }

  #connect(): void {
    const inner = connect({ path: this.#options.path, allowHalfOpen: true });
    const onRefused = (error: NodeJS.ErrnoException) => {
      this.error = error.code ?? error.message;
      inner.destroy();
      if (!this.#over) this.#retry = setTimeout(() => this.#connect(), RETRY_MS);
    };
    inner.once("error", onRefused);
    inner.once("connect", () => {
      inner.off("error", onRefused);
      // What broke it is followed by its close.
      inner.on("error", () => {});
      if (this.#over) inner.destroy();
      else this.#join(inner);
    });
  }

  #join(inner: Socket): void {
    const { outer, header, onOpen } = this.#options;
    this.#inner = inner;
    inner.write(header);
    pass(outer, inner);
    pass(inner, outer);
    inner.once("end", () => this.#endSoon());
    inner.once("close", () => this.#innerClosed());
    onOpen();
  }

  #outerClosed(): void {
    // In order: the worker is to have all of it, and closes when it has seen the end.
    if (this.#inner !== null && this.#options.outer.readableEnded) this.#endSoon();
    else this.close();
  }

  #innerClosed(): void {
    const { outer } = this.#options;
    // In order: the peer may still take what is on its way to it.
    const is_last_word = outer.writableEnded && !outer.writableFinished && !outer.destroyed;
    if (is_last_word) outer.once("finish", () => this.close());
    else this.close();
  }

  #endSoon(): void {
    if (!this.#over) this.#farewell ??= setTimeout(() => this.close(), FAREWELL_MS_MAX);
  }
}

/** Hands over what comes, no faster than it is taken, and the end of it. */
function pass(from: Duplex, to: Duplex): void {
  const end = () => {
    if (!to.destroyed) to.end();
  };
  from.on("data", (bytes: Uint8Array) => {
    if (!to.destroyed && !to.writableEnded && !to.write(bytes)) from.pause();
  });
  to.on("drain", () => from.resume());
  if (from.readableEnded) end();
  else from.once("end", end);
}
