/**
 * A control connection that comes back: it registers, and after a loss connects and registers again
 * at a fixed interval until it is closed. Sessions that were granted go on meanwhile.
 */
import {
  ControlClient,
  type ControlClientOptions,
  ControlError,
  type ControlListener,
  type PairRequest,
} from "./control-client.ts";
import type { Grant } from "./messages.ts";

/** What another attempt would not change. */
const FINAL_CODES: readonly string[] = ["REGISTER_REFUSED", "CONTROL_TLS"];

export interface ControlLinkListener extends Pick<ControlListener, "onGrant" | "onPortState"> {
  onRegistered?(): void;
  /** A registered connection is gone; attempts to get it back begin. */
  onLost?(error: ControlError): void;
  /** An attempt failed; `attempt` counts from 1 since the last connection. */
  onAttemptFailed?(error: ControlError, attempt: number): void;
  onRefusal?(code: number, text: string): void;
}

export interface ControlLinkOptions extends Omit<ControlClientOptions, "listener"> {
  /** The pause between two attempts, milliseconds. */
  reconnect_interval_ms: number;
  /** How long the first registration may take, attempts included; Infinity is for ever. */
  first_timeout_ms: number;
  listener: ControlLinkListener;
}

export class ControlLink {
  readonly #options: ControlLinkOptions;
  readonly #waiters = new Set<{ resolve(): void; reject(error: ControlError): void }>();
  #client: ControlClient | null = null;
  #online = false;
  #everOnline = false;
  #closed = false;
  #attempt = 0;
  #startedAt_ms = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: ControlLinkOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the first registration stands. Rejects when the gateway refuses it or TLS with it
   * fails, which another attempt would not change, or when `first_timeout_ms` is over.
   */
  start(): Promise<void> {
    this.#startedAt_ms = performance.now();
    const registered = this.registered();
    this.#connect();
    return registered;
  }

  /** Resolves when there is a registered connection, at once if there is one now. */
  registered(): Promise<void> {
    if (this.#online) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.add({ resolve, reject }));
  }

  /** Asks for a session, again after a lost connection, until it is granted or refused. */
  async pair(request: PairRequest): Promise<Grant> {
    const deadline = performance.now() + request.timeout_ms;
    for (;;) {
      await this.registered();
      const timeout_ms = Math.max(1, deadline - performance.now());
      const client = this.#client;
      try {
        if (client === null) throw new ControlError("CONTROL_LOST", "there is no connection");
        return await client.pair({ ...request, timeout_ms });
      } catch (error) {
        const lost = error instanceof ControlError && error.code === "CONTROL_LOST";
        if (!lost || this.#closed || performance.now() >= deadline) throw error;
      }
    }
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#client?.close();
    this.#client = null;
    this.#online = false;
    this.#fail(new ControlError("CONTROL_LOST", "closed by this end"));
  }

  #connect(): void {
    const { listener } = this.#options;
    const client = new ControlClient({
      ...this.#options,
      listener: {
        onGrant: (grant) => listener.onGrant?.(grant),
        onPortState: (state) => listener.onPortState?.(state),
        onRefusal: (code, text) => listener.onRefusal?.(code, text),
        onClose: (error) => {
          this.#online = false;
          if (this.#closed) return;
          listener.onLost?.(error);
          this.#again();
        },
      },
    });
    this.#client = client;
    client.start().then(() => {
      if (this.#closed) return;
      this.#online = true;
      this.#everOnline = true;
      this.#attempt = 0;
      listener.onRegistered?.();
      for (const waiter of this.#waiters) waiter.resolve();
      this.#waiters.clear();
    }, (error: ControlError) => {
      if (this.#closed) return;
      this.#attempt += 1;
      const waited_ms = performance.now() - this.#startedAt_ms;
      const final = !this.#everOnline &&
        (FINAL_CODES.includes(error.code) || waited_ms >= this.#options.first_timeout_ms);
      if (final) {
        this.#closed = true;
        this.#fail(error);
        return;
      }
      listener.onAttemptFailed?.(error, this.#attempt);
      this.#again();
    });
  }

  #again(): void {
    this.#timer = setTimeout(() => this.#connect(), this.#options.reconnect_interval_ms);
  }

  #fail(error: ControlError): void {
    for (const waiter of this.#waiters) waiter.reject(error);
    this.#waiters.clear();
  }
}
