/** A TCP worker: its own thread, its own epoll, its own listeners. */
import { performance } from "node:perf_hooks";
import { openLibc } from "../../../ffi/libc/mod.ts";
import { TimerWheel } from "../timer-wheel.ts";
import {
  ownPulse,
  ownRateGates,
  runWorker,
  WorkerChannel,
  workerStart,
} from "../worker-channel.ts";
import type { TcpWorkerSettings } from "../worker-protocol.ts";
import { TcpLoop } from "./loop.ts";

const { channel: port, settings, memory } = workerStart<TcpWorkerSettings>();
const libc = openLibc();
const channel = new WorkerChannel({ libc, channel: port });
const pulse = ownPulse(libc);
const wheel = new TimerWheel({ now_ms: performance.now() });
const rate_gates = ownRateGates(libc, wheel);
runWorker(channel, new TcpLoop({ libc, channel, settings, memory, pulse, wheel, rate_gates }));
