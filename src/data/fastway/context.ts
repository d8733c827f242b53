/** What the parts of one fastway worker share. */
import type { Libc } from "../../../ffi/libc/mod.ts";
import type { AddressRules } from "../address-rules.ts";
import type { Admission } from "../admission.ts";
import type { TurnTaker } from "../run-queue.ts";
import type { Poller } from "../tcp/poller.ts";
import type { TimerWheel } from "../timer-wheel.ts";
import type { Batch } from "./batch.ts";
import type { ChunkPool } from "./chunk-pool.ts";
import type { Endpoint } from "./endpoint.ts";
import type { PieceList } from "./pieces.ts";
import type { FastwayReport, FastwayWorkerSettings } from "./protocol.ts";
import type { ReceiveArea } from "./receive-area.ts";

export interface FastwayContext {
  readonly libc: Libc;
  readonly settings: FastwayWorkerSettings;
  readonly poller: Poller;
  readonly wheel: TimerWheel;
  readonly admission: Admission;
  readonly addresses: AddressRules;
  readonly pool: ChunkPool;
  readonly area: ReceiveArea;
  readonly batch: Batch;
  /** For one read or write at a time; nobody keeps anything here. */
  readonly pieces: PieceList;
  /** The worker's table; see `counters.ts`. */
  readonly counters: Float64Array;
  /** Where bytes go that nobody wants. */
  readonly dregs: Uint8Array;
  /** The clock as of this turn of the loop, ms. */
  now_ms: number;
  /** Whether new endpoints and dials are taken. */
  is_serving: boolean;
  report(event: FastwayReport): void;
  /** Gives it a turn soon. */
  enqueue(taker: TurnTaker): void;
  /** True where it cannot be read now, because another worker is behind; it gets a turn later. */
  mustWait(endpoint: Endpoint): boolean;
}
