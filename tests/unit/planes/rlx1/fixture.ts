/** A gateway that serves both generations, over planes without a network. */
import { afterEach } from "bun:test";
import { type Config, configSchema } from "../../../../src/config/schema.ts";
import type { PlaneKind, PlaneListener } from "../../../../src/data/plane.ts";
import type { StandingListener } from "../../../../src/data/standing.ts";
import { Gateway } from "../../../../src/gateway.ts";
import { V1Client } from "../../../harness/v1-client.ts";
import { ControlClient } from "../../control/control-client.ts";
import { FakePlane } from "../../sessions/fake-plane.ts";
import { type Line, RecordingLog } from "../../sessions/recording-log.ts";
import { FakeStandingPlane } from "./fake-standing-plane.ts";

export const SECRET = "a secret of the tests, long enough";
/** The ranges of the tests: five ports each. */
export const ZMQ = [30_101, 30_102, 30_103, 30_104, 30_105];
export const SRT = [30_001, 30_002, 30_003, 30_004, 30_005];

export interface Sections {
  gateway?: Partial<Config["gateway"]>;
  auth?: Partial<Config["auth"]>;
  admin?: Partial<Config["admin"]>;
  limits?: Partial<Config["limits"]>;
  quotas?: Partial<Config["quotas"]>;
  rlx1?: Record<string, unknown>;
}

export interface Running {
  gateway: Gateway;
  port: number;
  log: RecordingLog;
  standing: FakeStandingPlane;
  config: Config;
  connect(): Promise<V1Client>;
  fe(client_id?: string): Promise<V1Client>;
  be(client_id?: string): Promise<V1Client>;
  v4(role: "client" | "server", id: string): Promise<ControlClient>;
}

const running: { gateway: Gateway; clients: { destroy(): void }[] }[] = [];

/** To be called once per test file: ends whatever a test has started. */
export function endGatewaysAfterEach(): void {
  afterEach(async () => {
    for (const { gateway, clients } of running.splice(0)) {
      for (const client of clients) client.destroy();
      await gateway.abort();
    }
  });
}

export function configOf(sections: Sections = {}): Config {
  const config = configSchema.parse({
    rlx1: {
      secret: SECRET,
      zmq_start_port: ZMQ[0],
      zmq_end_port: ZMQ[4],
      srt_start_port: SRT[0],
      srt_end_port: SRT[4],
      ...sections.rlx1,
    },
  });
  Object.assign(config.gateway, { bind_address: "127.0.0.1", tcp_port: 0 }, sections.gateway);
  Object.assign(config.auth, sections.auth);
  Object.assign(config.limits, sections.limits);
  Object.assign(config.quotas, sections.quotas);
  config.admin.port = "off";
  Object.assign(config.admin, sections.admin);
  return config;
}

export async function startGateway(
  sections: Sections = {},
  options: { load?: () => Config; taken?: number[] } = {},
): Promise<Running> {
  const log = new RecordingLog();
  const make = (kind: PlaneKind) => ({ listener }: { listener: PlaneListener }) =>
    new FakePlane({ kind, listener });
  let standing!: FakeStandingPlane;
  const config = configOf(sections);
  const gateway = new Gateway({
    config,
    log,
    version: "0.0.0-test",
    planes: { zmq: make("zmq"), srt: make("srt") },
    standing_plane: ({ listener }: { listener: StandingListener }) => {
      standing = new FakeStandingPlane(listener);
      for (const port of options.taken ?? []) standing.taken.add(port);
      return standing;
    },
    load: options.load,
  });
  const clients: { destroy(): void }[] = [];
  running.push({ gateway, clients });
  const { control_port: port } = await gateway.start();
  const connect = async () => {
    const client = await V1Client.connect({ port });
    clients.push(client);
    return client;
  };
  const register = async (role: "FE" | "BE", client_id?: string) => {
    const client = await connect();
    await client.register({ role, client_id, secret: SECRET });
    return client;
  };
  return {
    gateway,
    port,
    log,
    standing,
    config,
    connect,
    fe: (client_id) => register("FE", client_id),
    be: (client_id) => register("BE", client_id),
    v4: async (role, id) => {
      const client = await ControlClient.register(port, role, id);
      clients.push({ destroy: () => client.socket.destroy() });
      return client;
    },
  };
}

/** The lines of the log with this status. */
export function linesOf(log: RecordingLog, status: string): Line[] {
  return log.lines.items.filter((line) => line.status === status);
}
