/** Connects to a granted port, again at a fixed interval for as long as a reservation may need. */
import { setTimeout as pause } from "node:timers/promises";
import { type Transport, TransportError } from "./transport.ts";

/**
 * How long attempts go on. The port is open before the grant is sent, so a refusal is a passing
 * state of the network or the end of the session.
 */
export const DIAL_TIMEOUT_MS = 5000;

export interface DialRetryOptions {
  dial: () => Promise<Transport>;
  interval_ms: number;
  timeout_ms?: number;
  signal: AbortSignal;
}

export async function dialWithRetry(options: DialRetryOptions): Promise<Transport> {
  const deadline = performance.now() + (options.timeout_ms ?? DIAL_TIMEOUT_MS);
  for (;;) {
    options.signal.throwIfAborted();
    try {
      return await options.dial();
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
      if (performance.now() + options.interval_ms >= deadline) throw error;
    }
    await pause(options.interval_ms, undefined, { signal: options.signal });
  }
}
