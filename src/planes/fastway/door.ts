/** The door as the plane sees it: listeners that speak TLS, in front of the workers. */
import type { Config } from "../../config/schema.ts";
import type { DoorFigures } from "../../data/fastway/door/protocol.ts";
import type { FastwaySide } from "../../data/fastway/protocol.ts";

/** Where it listens, for the sides that have a TLS listener. */
export type DoorPorts = Readonly<Partial<Record<FastwaySide, number>>>;

/** It cannot serve; `key` is what is to be changed, of the configuration or of the environment. */
export class FastwayDoorError extends Error {
  override name = "FastwayDoorError";
  readonly key: "fastway.client_tls_addr" | "fastway.server_tls_addr" | "tls.cert_file" | "TMPDIR";
  readonly code: string;
  constructor(key: FastwayDoorError["key"], code: string, message: string) {
    super(message);
    this.key = key;
    this.code = code;
  }
}

export interface FastwayDoorSnapshot extends DoorFigures {
  ports: DoorPorts;
  /** Threads that have died and were replaced. */
  threads_replaced: number;
}

export interface FastwayDoor {
  /** Resolves when peers can connect; rejects with a {@link FastwayDoorError}. */
  start(): Promise<DoorPorts>;
  /** New certificates, bounds and proxies, for connections from now on; the listeners stay. */
  apply(config: Config): void;
  /** All networks that are banned now. */
  setBans(networks: readonly string[]): void;
  snapshot(): FastwayDoorSnapshot;
  /** See `Plane.beat`. */
  beat(within_ms: number): Promise<boolean>;
  /** Cuts every connection. */
  close(): Promise<void>;
}
