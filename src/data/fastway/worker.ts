/** A fastway worker: its own thread, its own epoll, its own listeners. */
import { performance } from "node:perf_hooks";
import { openLibc } from "../../../ffi/libc/mod.ts";
import { TimerWheel } from "../timer-wheel.ts";
import { ownPulse, runWorker, WorkerChannel, workerStart } from "../worker-channel.ts";
import { FastwayLoop } from "./loop.ts";
import type { FastwayWorkerSettings } from "./protocol.ts";

const { channel: port, settings, memory, place } = workerStart<FastwayWorkerSettings>();
if (memory.fastway === undefined) throw new Error("A fastway worker needs a table of its own");
const libc = openLibc();
const channel = new WorkerChannel({ libc, channel: port });
const pulse = ownPulse(libc);
const wheel = new TimerWheel({ now_ms: performance.now() });
runWorker(
  channel,
  new FastwayLoop({
    libc,
    channel,
    settings,
    memory: memory.fastway,
    pulse,
    wheel,
    worker: place.seat,
  }),
);
