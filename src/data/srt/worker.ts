/** The SRT worker: its own thread, and the only one that waits in libsrt. */
import { performance } from "node:perf_hooks";
import { openLibc } from "../../../ffi/libc/mod.ts";
import { openLibsrt } from "../../../ffi/libsrt/mod.ts";
import { TimerWheel } from "../timer-wheel.ts";
import {
  ownPulse,
  ownRateGates,
  runWorker,
  WorkerChannel,
  workerStart,
} from "../worker-channel.ts";
import type { SrtWorkerSettings } from "../worker-protocol.ts";
import { SrtLoop } from "./loop.ts";

/** syslog's LOG_CRIT: libsrt would write its warnings to stderr, a line for every stranger. */
const LOG_CRIT = 2;

const { channel: port, settings, memory } = workerStart<SrtWorkerSettings>();
const libc = openLibc();
const libsrt = openLibsrt({ at: settings.libsrt });
if (libsrt.srt_startup() < 0) throw libsrt.failure("srt_startup");
libsrt.srt_setloglevel(LOG_CRIT);
const channel = new WorkerChannel({ libc, channel: port });
const pulse = ownPulse(libc);
const wheel = new TimerWheel({ now_ms: performance.now() });
const rate_gates = ownRateGates(libc, wheel);
runWorker(
  channel,
  new SrtLoop({ libc, libsrt, channel, settings, memory, pulse, wheel, rate_gates }),
);
