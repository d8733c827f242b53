/**
 * The UDP ports that are open as long as the worker is: those that many share, and those that single
 * streams have to themselves. The latter come and go with the configuration; and where the options of
 * a listener change, which libsrt allows nobody, it is closed and made anew. That takes libsrt up to
 * some seconds, in which the port answers no new caller, while those who are connected notice nothing.
 */
import { Deadline } from "../timer-wheel.ts";
import type { SrtContext } from "./context.ts";
import type { SrtListeners } from "./listeners.ts";
import { type OnlyStream, SharedPort, type SharedSessions } from "./shared-port.ts";
import type { Streams } from "./streams.ts";

/** Between two attempts at a port that somebody else has. */
const RETRY_MS = 2000;

export class SharedPorts {
  readonly #context: SrtContext;
  readonly #listeners: SrtListeners;
  readonly #streams: Streams;
  readonly #sessions: SharedSessions;
  readonly #ports = new Map<number, SharedPort>();
  /** Those that could not be opened, and their next attempt. */
  readonly #retries = new Map<SharedPort, Deadline>();

  constructor(options: {
    context: SrtContext;
    listeners: SrtListeners;
    streams: Streams;
    sessions: SharedSessions;
  }) {
    this.#context = options.context;
    this.#listeners = options.listeners;
    this.#streams = options.streams;
    this.#sessions = options.sessions;
  }

  /** Opens all of them. Throws where one cannot be bound. */
  open(): void {
    for (const [port, only] of this.#wanted()) {
      // Nothing of ours has been on the port before, so it is open or has failed at once.
      this.#listeners.open(this.#add(port, only), (failure) => {
        if (failure) throw failure;
      });
    }
  }

  /** Makes the ports what the settings say. One that cannot be had is told of and tried again. */
  apply(): void {
    const wanted = this.#wanted();
    for (const [port, shared] of [...this.#ports]) {
      const only = wanted.get(port);
      const stays = only !== undefined && shared.isFor(only) && !this.#listeners.isOutdated(shared);
      if (!stays) this.#drop(shared);
    }
    for (const [port, only] of wanted) {
      if (!this.#ports.has(port)) this.#attempt(this.#add(port, only), only);
    }
  }

  dropBanned(): void {
    for (const shared of this.#ports.values()) shared.dropBanned();
  }

  close(): void {
    for (const shared of [...this.#ports.values()]) this.#drop(shared);
  }

  #wanted(): Map<number, OnlyStream | null> {
    const { shared_ports, streams } = this.#context.settings;
    return new Map([
      ...shared_ports.map((port) => [port, null] as const),
      ...streams.filter(({ port }) => port > 0).map((stream) => [stream.port, stream] as const),
    ]);
  }

  #add(port: number, only: OnlyStream | null): SharedPort {
    const shared = new SharedPort({
      context: this.#context,
      port,
      streams: this.#streams,
      sessions: this.#sessions,
      only,
    });
    this.#ports.set(port, shared);
    return shared;
  }

  #drop(shared: SharedPort): void {
    this.#ports.delete(shared.port);
    this.#context.wheel.cancel(this.#retries.get(shared) ?? null);
    this.#retries.delete(shared);
    shared.close();
    this.#listeners.drop(shared);
  }

  #attempt(shared: SharedPort, only: OnlyStream | null): void {
    this.#listeners.open(shared, (failure) => {
      const { wheel, now_ms, event } = this.#context;
      const { port } = shared;
      const name = only?.name ?? "";
      const failed_before = this.#retries.has(shared);
      if (!failure) {
        this.#retries.delete(shared);
        if (failed_before) event({ type: "stream_service", name, port, error: null });
        return;
      }
      // Told once, and not with every attempt.
      if (!failed_before) event({ type: "stream_service", name, port, error: failure.message });
      const again = this.#retries.get(shared) ?? new Deadline(() => this.#attempt(shared, only));
      this.#retries.set(shared, again);
      wheel.schedule(again, now_ms + RETRY_MS);
    });
  }
}
