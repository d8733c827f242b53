/** The listeners of one worker's place: ordered, answered for, and opened again by whoever follows. */
import { clearTimeout, setTimeout } from "node:timers";
import { FastwayListenError } from "./plane.ts";
import type { FastwayListen, FastwayOrder, FastwayReport, FastwaySide } from "./protocol.ts";

/** Between two attempts to listen where the worker before has listened. */
const AGAIN_MS = 500;

/** What a place listens on, ports as the kernel gave them. */
export interface PlacedListener {
  side: FastwaySide;
  at: FastwayListen;
}

/** One that has been ordered and not answered for. */
interface Awaited {
  side: FastwaySide;
  kind: FastwayListen["kind"];
  resolve: (port: number) => void;
  reject: (error: FastwayListenError) => void;
}

type Answer = Extract<FastwayReport, { type: "listening" | "listen_failed" }>;

export class SeatListeners {
  readonly #send: (order: FastwayOrder) => void;
  readonly #failed: (error: string) => void;
  readonly #again = new Set<ReturnType<typeof setTimeout>>();
  #awaited: Awaited[] = [];
  #is_closed = false;

  constructor(options: {
    send: (order: FastwayOrder) => void;
    /** A listener that was there cannot be opened again; there will be another attempt. */
    failed: (error: string) => void;
  }) {
    this.#send = options.send;
    this.#failed = options.failed;
  }

  /** Resolves with the port, 0 for a door; rejects with a {@link FastwayListenError}. */
  open({ side, at }: PlacedListener): Promise<number> {
    const opened = new Promise<number>((resolve, reject) =>
      this.#awaited.push({ side, kind: at.kind, resolve, reject })
    );
    this.#send({ type: "listen", side, at });
    return opened;
  }

  hear(answer: Answer): void {
    const { side, kind } = answer;
    const at = this.#awaited.findIndex((one) => one.side === side && one.kind === kind);
    if (at < 0) return;
    const [awaited] = this.#awaited.splice(at, 1);
    if (answer.type === "listening") awaited.resolve(answer.port);
    else awaited.reject(new FastwayListenError(side, answer.code, answer.message));
  }

  /** The worker is gone, and nobody will answer. */
  lost(): void {
    this.#giveUp("WORKER_DIED", "the worker has died");
  }

  /** Another worker has the place. */
  resume(listeners: readonly PlacedListener[]): void {
    for (const one of listeners) void this.#openAgain(one);
  }

  close(): void {
    this.#is_closed = true;
    this.#giveUp("CLOSED", "the plane is closed");
  }

  async #openAgain(listener: PlacedListener): Promise<void> {
    try {
      await this.open(listener);
    } catch (error) {
      const { code, message } = error as FastwayListenError;
      // The next worker is told of all listeners again.
      if (code === "WORKER_DIED" || this.#is_closed) return;
      this.#failed(`Cannot listen for ${listener.side}s again: ${message}`);
      const timer = setTimeout(() => {
        this.#again.delete(timer);
        void this.#openAgain(listener);
      }, AGAIN_MS);
      this.#again.add(timer);
    }
  }

  #giveUp(code: string, message: string): void {
    for (const timer of this.#again) clearTimeout(timer);
    this.#again.clear();
    for (const { side, reject } of this.#awaited.splice(0)) {
      reject(new FastwayListenError(side, code, message));
    }
  }
}
