/** SRT: libsrt in one worker, because a process must have a single libsrt poller. */
import type { Config } from "../../config/schema.ts";
import { openLibsrt } from "../../../ffi/libsrt/mod.ts";
import type { PlaneListener } from "../plane.ts";
import { WorkerPlane } from "../worker-plane.ts";
import type { SrtWorkerSettings } from "../worker-protocol.ts";
import { commonSettings } from "../worker-settings.ts";
import { libsrtOverride } from "./version.ts";

export class SrtPlane extends WorkerPlane {
  constructor({ config, listener }: { config: Config; listener: PlaneListener }) {
    const settings = (): SrtWorkerSettings => ({
      ...commonSettings(config, { workers: 1 }),
      unproven_max: config.limits.srt_unproven_max,
      unproven_per_address_max: config.limits.srt_unproven_per_address_max,
      unproven_prefix: "srt_",
      latency_ms: config.gosrt.latency,
      maxbw_bps: config.gosrt.maxbw,
      ipttl: config.gosrt.ipttl,
      // Found here, so that a worker that is replaced opens the very same library again.
      libsrt: openLibsrt({ override: libsrtOverride() }).location,
    });
    const port_range = config.gosrt.port_range;
    super({ kind: "srt", worker: "srt", workers: 1, port_range, settings, listener });
  }
}
