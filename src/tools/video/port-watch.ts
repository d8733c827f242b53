/** Watches the gateway's port pools: what they were before a run, and whether they are so again. */
import type { PortState } from "../v4/messages.ts";
import { Bell } from "./bell.ts";

export class PortWatch {
  readonly #bell = new Bell();
  #latest: PortState | null = null;

  onPortState(state: PortState): void {
    this.#latest = state;
    this.#bell.ring();
  }

  /** The latest state, waited for if there is none yet; null when none comes within `timeout_ms`. */
  async current(timeout_ms: number): Promise<PortState | null> {
    return await this.#wait(() => true, timeout_ms);
  }

  /** Resolves null once no pool lacks a port, else the last state seen within `timeout_ms`. */
  async untilReleased(baseline: PortState, timeout_ms: number): Promise<string | null> {
    // What was broadcast before the call may be older than the end of the session.
    this.#latest = null;
    const state = await this.#wait((now) => missing(baseline, now) === null, timeout_ms);
    if (state === null) return `no port_state within ${timeout_ms} ms`;
    return missing(baseline, state);
  }

  /** The first state that is good, or the last one there was. */
  async #wait(good: (state: PortState) => boolean, timeout_ms: number): Promise<PortState | null> {
    const until = performance.now() + timeout_ms;
    for (;;) {
      const state: PortState | null = this.#latest;
      if (state !== null && good(state)) return state;
      const left = until - performance.now();
      if (left <= 0) return state;
      await this.#bell.wait(left);
    }
  }
}

/**
 * How the pools fall short of the baseline, or null. More idle ports than before are fine: somebody
 * else may have ended meanwhile.
 */
export function missing(baseline: PortState, now: PortState): string | null {
  const short = (["zmq", "srt"] as const).filter((kind) => now[kind].idle < baseline[kind].idle);
  if (short.length === 0) return null;
  return short.map((kind) =>
    `${kind}: ${now[kind].idle} idle, ${now[kind].reserved} reserved, ${now[kind].occupied} ` +
    `occupied, ${now[kind].blocked} blocked; before the run ${baseline[kind].idle} were idle`
  ).join("; ");
}
