/** A load generator in a process of its own, as the benchmark drives it; see `load/wire.ts`. */
import process from "node:process";
import { fileURLToPath } from "node:url";
import type { Child, Children } from "./child.ts";
import type {
  BulkOrder,
  EchoOrder,
  FastwayOrder,
  PathOrder,
  Schedule,
  SessionsOrder,
  SrtOrder,
} from "./load/wire.ts";

export type GeneratorOrder =
  | ({ program: "bulk-end" } & BulkOrder)
  | ({ program: "echo-end" } & EchoOrder)
  | ({ program: "fastway-end" } & FastwayOrder)
  | ({ program: "sessions" } & SessionsOrder)
  | ({ program: "srt-end" } & SrtOrder)
  | ({ program: "impaired-path" } & PathOrder);

/** Longer than a generator's own patience, which says more about what went wrong, milliseconds. */
const READY_MS = 25_000;

interface Event {
  event: string;
  result?: unknown;
  reason?: string;
}

export class Generator {
  readonly #child: Child;
  readonly #events: Event[] = [];
  readonly #waiting = new Set<() => void>();

  constructor({ children, order, name }: {
    children: Children;
    order: GeneratorOrder;
    name: string;
  }) {
    const program = fileURLToPath(new URL(`./load/${order.program}.ts`, import.meta.url));
    this.#child = children.start({
      name,
      command: process.execPath,
      args: [program, JSON.stringify(order)],
    });
    this.#child.onLine((line) => {
      if (!line.startsWith('{"event":')) return;
      this.#events.push(JSON.parse(line) as Event);
      for (const wake of this.#waiting) wake();
    });
  }

  get pid(): number {
    return this.#child.pid;
  }

  listening(): Promise<unknown> {
    return this.#heard("listening", READY_MS);
  }

  ready(): Promise<unknown> {
    return this.#heard("ready", READY_MS);
  }

  /** A generator that holds its sessions says what bringing them up has taken. */
  holding<Result>(ms: number): Promise<Result> {
    return this.#heard("holding", ms) as Promise<Result>;
  }

  go(schedule: Schedule): void {
    this.#child.write(JSON.stringify(schedule));
  }

  /** Tells a generator that goes on until it is told to come to its end. */
  release(): void {
    this.#child.write("release");
  }

  /** What it has found out, when it is through; rejects with its reason where it has failed. */
  async result<Result>(ms: number): Promise<Result> {
    const result = await this.#heard("result", ms) as Result;
    await this.#child.ended;
    return result;
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }

  async #heard(wanted: string, ms: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const name = this.#child.name;
    const look = () => {
      const failure = this.#events.find(({ event }) => event === "failed");
      const found = this.#events.find(({ event }) => event === wanted);
      if (failure) reject(new Error(`${name}: ${failure.reason}`));
      else if (found) resolve(found.result);
    };
    const timer = setTimeout(
      () => reject(new Error(`${name}: not "${wanted}" within ${ms / 1000} s`)),
      ms,
    );
    this.#waiting.add(look);
    look();
    // Lines that came before its end have all been heard by then.
    this.#child.gone().catch((error: Error) => {
      look();
      reject(error);
    });
    try {
      return await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(look);
    }
  }
}

/** Stops generators whatever became of them. */
export async function stopAll(generators: readonly Generator[]): Promise<void> {
  await Promise.all(generators.map((generator) => generator.stop()));
}
