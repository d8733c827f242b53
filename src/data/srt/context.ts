/** What the parts of the SRT worker share. */
import type { Libsrt } from "../../../ffi/libsrt/mod.ts";
import type { AddressRules } from "../address-rules.ts";
import type { Admission } from "../admission.ts";
import type { LineSampler } from "../line-sampler.ts";
import type { PlaneEvent } from "../plane.ts";
import type { RateGates } from "../rate-gate.ts";
import type { TimerWheel } from "../timer-wheel.ts";
import type { SrtWorkerSettings } from "../worker-protocol.ts";
import type { SrtMessage } from "./message.ts";
import type { Passphrases } from "./passphrases.ts";
import type { SrtPoller } from "./poller.ts";
import type { SrtPort } from "./port.ts";

export interface SrtContext {
  readonly libsrt: Libsrt;
  readonly settings: SrtWorkerSettings;
  readonly poller: SrtPoller;
  readonly wheel: TimerWheel;
  readonly admission: Admission;
  readonly addresses: AddressRules;
  readonly sampler: LineSampler;
  readonly rate_gates: RateGates;
  /** Those of single streams and sessions on the shared ports. */
  readonly passphrases: Passphrases;
  /** One message on its way through; nobody keeps anything here. */
  readonly message: SrtMessage;
  /** The clock as of this turn of the loop, ms. */
  now_ms: number;
  event(event: PlaneEvent): void;
  /** The port is over; `freed` is called when its number may be used again. */
  remove(port: SrtPort, freed: () => void): void;
}
