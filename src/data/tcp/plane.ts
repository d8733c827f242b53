/** Plain TCP, V4's "zmq": epoll and splice in one or more workers. */
import type { Config } from "../../config/schema.ts";
import type { PlaneListener } from "../plane.ts";
import type { RateBook } from "../rate-book.ts";
import { WorkerPlane } from "../worker-plane.ts";
import type { TcpWorkerSettings } from "../worker-protocol.ts";
import { commonSettings } from "../worker-settings.ts";

export class TcpPlane extends WorkerPlane {
  constructor(
    { config, listener, rates }: { config: Config; listener: PlaneListener; rates?: RateBook },
  ) {
    const workers = config.gateway.tcp_workers;
    const settings = (config: Config) => tcpSettings(config, { workers });
    const ports = (config: Config) => config.zeromq.port_range;
    super({ kind: "zmq", worker: "tcp", workers, config, ports, settings, listener, rates });
  }
}

/** The rules of TCP workers, of those of standing ports as well. */
export function tcpSettings(config: Config, { workers }: { workers: number }): TcpWorkerSettings {
  return {
    ...commonSettings(config, { workers }),
    sndbuf_bytes: config.zeromq.sndbuf,
    rcvbuf_bytes: config.zeromq.rcvbuf,
    linger_ms: config.zeromq.linger * 1000,
  };
}
