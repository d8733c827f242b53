/** A whole gateway in this process, on a free port and over fake planes. */
import { afterEach } from "bun:test";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import type { PlaneKind, PlaneListener } from "../../../src/data/plane.ts";
import { Gateway } from "../../../src/gateway.ts";
import { FakePlane } from "../sessions/fake-plane.ts";
import { RecordingLog } from "../sessions/recording-log.ts";
import { ControlClient } from "./control-client.ts";

export interface Running {
  gateway: Gateway;
  port: number;
  log: RecordingLog;
  planes: Record<PlaneKind, FakePlane>;
  connect(): Promise<ControlClient>;
  server(id: string, max_conn?: number): Promise<ControlClient>;
  client(id: string): Promise<ControlClient>;
}

export interface Sections {
  gateway?: Partial<Config["gateway"]>;
  limits?: Partial<Config["limits"]>;
  auth?: Partial<Config["auth"]>;
  quotas?: Partial<Config["quotas"]>;
  bans?: Partial<Config["bans"]>;
}

const running: { gateway: Gateway; clients: ControlClient[] }[] = [];

/** To be called once per test file: ends whatever a test has started. */
export function endGatewaysAfterEach(): void {
  afterEach(async () => {
    for (const { gateway, clients } of running.splice(0)) {
      for (const client of clients) client.socket.destroy();
      await gateway.abort();
    }
  });
}

export function configOf(sections: Sections = {}): Config {
  const config = configSchema.parse({});
  Object.assign(config.gateway, { bind_address: "127.0.0.1", tcp_port: 0 }, sections.gateway);
  Object.assign(config.limits, sections.limits);
  Object.assign(config.auth, sections.auth);
  Object.assign(config.quotas, sections.quotas);
  Object.assign(config.bans, sections.bans);
  config.admin.port = "off";
  return config;
}

export async function startGateway(sections: Sections = {}): Promise<Running> {
  const log = new RecordingLog();
  const planes = {} as Record<PlaneKind, FakePlane>;
  const make = (kind: PlaneKind) => ({ listener }: { listener: PlaneListener }) =>
    planes[kind] = new FakePlane({ kind, listener });
  const gateway = new Gateway({
    config: configOf(sections),
    log,
    version: "0.0.0-test",
    planes: { zmq: make("zmq"), srt: make("srt") },
  });
  const clients: ControlClient[] = [];
  running.push({ gateway, clients });
  const { control_port: port } = await gateway.start();
  const keep = async (made: Promise<ControlClient>) => {
    const client = await made;
    clients.push(client);
    return client;
  };
  return {
    gateway,
    port,
    log,
    planes,
    connect: () => keep(ControlClient.connect(port)),
    server: (id, max_conn = 1) => keep(ControlClient.register(port, "server", id, max_conn)),
    client: (id) => keep(ControlClient.register(port, "client", id)),
  };
}
