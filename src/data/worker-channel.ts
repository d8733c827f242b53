/**
 * The worker's side of the channel. A worker blocks in the kernel and so never reaches its event
 * loop; it is woken by an eventfd and takes its commands by hand.
 */
import { type MessagePort, receiveMessageOnPort, workerData } from "node:worker_threads";
import { EFD_CLOEXEC, EFD_NONBLOCK, type Libc } from "../../ffi/libc/mod.ts";
import type { FastwayOrder } from "./fastway/protocol.ts";
import type { PlaneEvent } from "./plane.ts";
import { Pulse } from "./pulse.ts";
import { sharedClockOffset } from "./shared-clock.ts";
import { ThreadProbes } from "./thread-probe.ts";
import type { TimerWheel } from "./timer-wheel.ts";
import { RateGate, RateGates } from "./rate-gate.ts";
import { RateRow } from "./rate-row.ts";
import type {
  OpenOrder,
  SharedMemory,
  StandingOrder,
  StandingReport,
  WorkerCommand,
  WorkerPlace,
  WorkerReport,
} from "./worker-protocol.ts";

/** What every data worker is started with. */
export interface WorkerStart<Settings> {
  channel: MessagePort;
  settings: Settings;
  memory: SharedMemory;
  place: WorkerPlace;
}

export function workerStart<Settings>(): WorkerStart<Settings> {
  return workerData as WorkerStart<Settings>;
}

/** The row that the worker tells its turns in. */
export function ownPulse(libc: Libc): Pulse {
  const { memory, place } = workerStart<object>();
  const clock_offset_ms = sharedClockOffset(libc);
  return new Pulse({ table: memory.pulses, row: place.seat, clock_offset_ms });
}

/** The gates that this worker's sessions with byte rates go through. */
export function ownRateGates(libc: Libc, wheel: TimerWheel): RateGates {
  const { memory, place } = workerStart<object>();
  const { rates_seat: worker, rates_seats: workers } = place;
  const clock_offset_ms = sharedClockOffset(libc);
  return new RateGates({
    make: (row) =>
      new RateGate({
        row: new RateRow({ memory: memory.rates, row, worker }),
        wheel,
        workers,
        clock_offset_ms,
      }),
  });
}

/** What a worker can be told to do. */
export interface WorkerOrders {
  open(order: OpenOrder): void;
  release(port: number): void;
  /** Only where there are standing ports. */
  standing?(order: StandingOrder): void;
  /** Only fastway's workers. */
  fastway?(order: FastwayOrder): void;
  changeBans(change: { added: readonly string[]; removed: readonly string[] }): void;
  /** Works by these rules from now on; they are of the kind that it was started with. */
  apply(settings: object): void;
  stop(): void;
}

export class WorkerChannel {
  /** Readable when a command waits. */
  readonly eventfd: number;
  readonly #libc: Libc;
  readonly #port: MessagePort;
  readonly #count = new Uint8Array(8);
  readonly #probes = new ThreadProbes();
  /** What waits for the next {@link flush}. */
  #reports: WorkerReport[] = [];

  constructor({ libc, channel }: { libc: Libc; channel: MessagePort }) {
    this.#libc = libc;
    this.#port = channel;
    this.eventfd = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (this.eventfd < 0) throw libc.failure("eventfd");
  }

  report(report: WorkerReport): void {
    this.#reports.push(report);
  }

  event(event: PlaneEvent): void {
    this.report({ type: "event", event });
  }

  standing(event: StandingReport): void {
    this.report({ type: "standing", event });
  }

  /** Sends all reports as one message: each wakes the control side, which costs more than it says. */
  flush(): void {
    if (this.#reports.length === 0) return;
    this.#port.postMessage(this.#reports);
    this.#reports = [];
  }

  /** Carries out every command that has arrived. */
  receive(orders: WorkerOrders): void {
    // Emptied before the commands are taken: one that comes later wakes the worker again.
    this.#libc.read(this.eventfd, this.#count, this.#count.length);
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: WorkerCommand[] } | undefined;
      if (!received) return;
      for (const command of received.message) this.#carryOut(command, orders);
    }
  }

  /**
   * The worker's last word. The eventfd stays: the control side may be writing to it at this moment,
   * and closes it when it has heard.
   */
  close(error: string | null): void {
    this.report({ type: "down", error });
    this.flush();
    this.#port.close();
  }

  #carryOut(command: WorkerCommand, orders: WorkerOrders): void {
    switch (command.type) {
      case "open":
        return orders.open(command.reservation);
      case "release":
        return orders.release(command.port);
      case "standing":
        return orders.standing?.(command.order);
      case "fastway":
        return orders.fastway?.(command.order);
      case "bans":
        return orders.changeBans(command);
      case "settings":
        return orders.apply(command.settings);
      case "ping":
        return this.report({ type: "pong" });
      case "probe":
        return this.report({ type: "probed", result: this.#probes.carryOut(command.probe) });
      case "stop":
        return orders.stop();
      default:
        throw new Error(`Unknown command ${JSON.stringify(command satisfies never)}`);
    }
  }
}

/** The loop that a data worker runs. */
export interface WorkerLoop {
  /** Blocks until a `stop` has been carried out. */
  run(): void;
  /** Gives back every descriptor and socket, whatever state they are in. */
  abandon(): void;
}

/**
 * Runs a worker's loop to its end. A loop that throws has met a mistake of ours: it gives back what
 * it holds and says so, and the control side starts another.
 */
export function runWorker(channel: WorkerChannel, loop: WorkerLoop): void {
  channel.report({ type: "up", eventfd: channel.eventfd });
  channel.flush();
  try {
    loop.run();
  } catch (error) {
    loop.abandon();
    channel.close(error instanceof Error ? `${error.message}\n${error.stack}` : String(error));
    return;
  }
  channel.close(null);
}
