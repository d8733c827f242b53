/** What the parts of one TCP worker share. */
import type { Libc } from "../../../ffi/libc/mod.ts";
import type { AddressRules } from "../address-rules.ts";
import type { Admission } from "../admission.ts";
import type { LineSampler } from "../line-sampler.ts";
import type { CloseReason, PlaneEvent } from "../plane.ts";
import type { RateGates } from "../rate-gate.ts";
import type { TurnTaker } from "../run-queue.ts";
import type { TimerWheel } from "../timer-wheel.ts";
import type { StandingReport, TcpWorkerSettings } from "../worker-protocol.ts";
import type { Acceptor } from "./listeners.ts";
import type { PipePool } from "./pipes.ts";
import type { Poller } from "./poller.ts";

/** A port that a worker has open, of whatever kind. */
export interface WorkerPort extends Acceptor {
  /** Ends whatever is on the port, and the port. */
  close(reason: CloseReason): void;
  /** Ends the connections that have said nothing and come from where nobody may come from now. */
  dropBanned(): void;
}

export interface TcpContext {
  readonly libc: Libc;
  readonly settings: TcpWorkerSettings;
  readonly poller: Poller;
  readonly wheel: TimerWheel;
  readonly admission: Admission;
  readonly addresses: AddressRules;
  readonly pipes: PipePool;
  readonly sampler: LineSampler;
  readonly rate_gates: RateGates;
  /** For bytes that are looked at or thrown away at once; nobody keeps anything here. */
  readonly scratch: Uint8Array;
  /** The clock as of this turn of the loop, ms. */
  now_ms: number;
  event(event: PlaneEvent): void;
  /** What is told of standing ports. */
  standing(event: StandingReport): void;
  /** Gives the session a turn soon. */
  enqueue(session: TurnTaker): void;
  /** The port is over. */
  remove(port: WorkerPort): void;
}
