/** What the parts of one TCP worker share. */
import type { Libc } from "../../../ffi/libc/mod.ts";
import type { AddressRules } from "../address-rules.ts";
import type { Admission } from "../admission.ts";
import type { LineSampler } from "../line-sampler.ts";
import type { PlaneEvent } from "../plane.ts";
import type { RateGates } from "../rate-gate.ts";
import type { TimerWheel } from "../timer-wheel.ts";
import type { TcpWorkerSettings } from "../worker-protocol.ts";
import type { PipePool } from "./pipes.ts";
import type { Poller } from "./poller.ts";
import type { TcpPort } from "./port.ts";

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
  /** Gives the port's session a turn soon. */
  enqueue(port: TcpPort): void;
  /** The port is over. */
  remove(port: TcpPort): void;
}
