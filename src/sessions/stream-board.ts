/**
 * The named streams as the control side knows them: each coming and going in the log, the state of
 * all for `GET /streams`, and a word in the log when what holds a stream back changes.
 */
import type { StreamListing, StreamReport, StreamState } from "../data/plane.ts";
import type { Log } from "../observe/log.ts";
import { BottleneckLog } from "./bottleneck-log.ts";

const SENTENCES = {
  publishing: "a publisher has come",
  publish_stop: "the publisher is gone; viewers stay for the next one",
  viewing: "a viewer has come",
  view_stop: "a viewer is gone",
} as const;

/** What the board must know of the configuration, by name. */
type StreamBounds = Readonly<Record<string, { viewers_max: number }>>;

const NOBODY = { publisher: null, viewers: [], bytes_in: 0, bytes_out: 0, dropped: {} };

export class StreamBoard {
  readonly #log: Log;
  readonly #states = new Map<string, StreamListing>();
  readonly #bottlenecks: BottleneckLog;

  constructor(
    { log, streams }: { log: Log; streams: StreamBounds },
  ) {
    this.#log = log;
    this.#bottlenecks = new BottleneckLog({ log });
    this.apply({ streams });
  }

  /** Streams may come and go; those that stay keep what is known of them. */
  apply({ streams }: { streams: StreamBounds }): void {
    for (const name of this.#states.keys()) {
      if (!Object.hasOwn(streams, name)) this.#states.delete(name);
    }
    for (const [name, { viewers_max }] of Object.entries(streams)) {
      const known = this.#states.get(name) ?? { name, ...NOBODY };
      this.#states.set(name, { ...known, viewers_max });
    }
  }

  onReport(report: StreamReport): void {
    if (report.type === "streams") {
      for (const state of report.states) this.#update(state);
      return;
    }
    if (report.type === "stream_service") return this.#noteService(report);
    const { type: _, status, reason, bytes, skipped, ...who } = report;
    const ended = status === "publish_stop" || status === "view_stop";
    const details = ended ? { reason, bytes, skipped } : {};
    this.#log.info({ status, ...who, ...details }, SENTENCES[status]);
    if (status === "view_stop") this.#bottlenecks.forget(placeOf(who));
  }

  #noteService({ name, port, error }: Extract<StreamReport, { type: "stream_service" }>): void {
    const what = { ...(name !== "" && { name }), ...(port !== 0 && { port }) };
    if (error === null) {
      this.#log.info({ status: "stream_available", ...what }, "streams are served there again");
    } else {
      const line = { status: "stream_unavailable", ...what, error };
      this.#log.warn(line, "streams cannot be served there; it is tried again in the background");
    }
  }

  list(): StreamListing[] {
    return [...this.#states.values()];
  }

  #update(state: StreamState): void {
    const before = this.#states.get(state.name);
    if (before === undefined) return;
    this.#states.set(state.name, { ...state, viewers_max: before.viewers_max });
    for (const { remote, user, bottleneck } of state.viewers) {
      const viewer = { name: state.name, remote };
      this.#bottlenecks.note(placeOf(viewer), bottleneck, { ...viewer, user });
    }
  }
}

function placeOf({ name, remote }: { name: string; remote: string }): string {
  return `${name} ${remote}`;
}
