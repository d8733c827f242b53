/** The stage before an endpoint that makes an snet session of a connection, or gives it to one. */
import type { SnetSettings } from "../protocol.ts";
import type { Arrival, NextStage, Stage } from "../stage.ts";
import type { SnetContext } from "./context.ts";
import { SnetGreeting } from "./greeting.ts";
import type { SnetSessions } from "./sessions.ts";

/** The number of a session and the request to return to it, with its first byte. */
export type ReturnElsewhere = (arrival: Arrival, id: number, request: Uint8Array) => boolean;

export interface SnetStageOptions {
  context: SnetContext;
  sessions: SnetSessions;
  /** Read anew for each connection. */
  settings: () => SnetSettings;
  /** Whether new sessions are taken; returns always are. */
  is_serving: () => boolean;
  next: NextStage;
  /** Takes the return to a session that another worker has; false where no other can have it. */
  elsewhere?: ReturnElsewhere;
}

export class SnetStage implements Stage {
  readonly #options: SnetStageOptions;

  constructor(options: SnetStageOptions) {
    this.#options = options;
  }

  enter(arrival: Arrival): void {
    new SnetGreeting({ ...this.#options, arrival, settings: this.#options.settings() }).start();
  }

  /** Goes on with a return whose request another worker has read. */
  resume(arrival: Arrival, request: Uint8Array): void {
    const { settings, elsewhere: _, ...options } = this.#options;
    new SnetGreeting({ ...options, arrival, settings: settings() }).resume(request);
  }
}
