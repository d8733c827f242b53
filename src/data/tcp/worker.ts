/** A TCP worker: its own thread, its own epoll, its own listeners. */
import { openLibc } from "../../../ffi/libc/mod.ts";
import { ownPulse, runWorker, WorkerChannel, workerStart } from "../worker-channel.ts";
import type { TcpWorkerSettings } from "../worker-protocol.ts";
import { TcpLoop } from "./loop.ts";

const { channel: port, settings, memory } = workerStart<TcpWorkerSettings>();
const libc = openLibc();
const channel = new WorkerChannel({ libc, channel: port });
const pulse = ownPulse(libc);
runWorker(channel, new TcpLoop({ libc, channel, settings, memory, pulse }));
