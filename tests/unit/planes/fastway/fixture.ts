/** A gateway that serves fastway, over planes without a network, with its admin port open. */
import { afterEach } from "bun:test";
import { type Config, configSchema } from "../../../../src/config/schema.ts";
import type { PlaneKind, PlaneListener } from "../../../../src/data/plane.ts";
import { Gateway } from "../../../../src/gateway.ts";
import { FakePlane } from "../../sessions/fake-plane.ts";
import { type Line, RecordingLog } from "../../sessions/recording-log.ts";
import { FakeFastwayPlane } from "./fake-fastway-plane.ts";

type Sections = { [Section in "auth" | "quotas" | "bans" | "admin"]?: Partial<Config[Section]> };

export interface Running {
  gateway: Gateway;
  log: RecordingLog;
  plane: FakeFastwayPlane;
  config: Config;
  /** An answer of the admin port. */
  ask(path: string, init?: RequestInit): Promise<{ status: number; body: unknown }>;
  text(path: string): Promise<string>;
  linesOf(status: string): Line[];
}

const running: Gateway[] = [];

/** To be called once per test file: ends whatever a test has started. */
export function endGatewaysAfterEach(): void {
  afterEach(async () => {
    for (const gateway of running.splice(0)) await gateway.abort();
  });
}

export function configOf(sections: Sections = {}, fastway: Record<string, unknown> = {}): Config {
  const config = configSchema.parse({
    fastway: { ClientAddr: "127.0.0.1:0", ServerAddr: "127.0.0.1:0", ...fastway },
  });
  Object.assign(config.gateway, { bind_address: "127.0.0.1", tcp_port: 0 });
  Object.assign(config.admin, { bind_address: "127.0.0.1", port: 0 }, sections.admin);
  for (const section of ["auth", "quotas", "bans"] as const) {
    Object.assign(config[section], sections[section]);
  }
  return config;
}

export async function startGateway(
  sections: Sections = {},
  options: { load?: () => Config; broken?: Error; fastway?: Record<string, unknown> } = {},
): Promise<Running> {
  const log = new RecordingLog();
  const make = (kind: PlaneKind) => ({ listener }: { listener: PlaneListener }) =>
    new FakePlane({ kind, listener });
  let plane!: FakeFastwayPlane;
  const config = configOf(sections, options.fastway);
  const gateway = new Gateway({
    config,
    log,
    version: "0.0.0-test",
    planes: { zmq: make("zmq"), srt: make("srt") },
    fastway_plane: ({ listener }) => {
      plane = new FakeFastwayPlane(listener);
      plane.broken = options.broken ?? null;
      return plane;
    },
    load: options.load,
  });
  running.push(gateway);
  await gateway.start();
  const at = config.admin.port === "off" ? null : await log.status("admin_serving");
  const fetched = (path: string, init?: RequestInit) =>
    fetch(`http://127.0.0.1:${at?.admin_port}${path}`, init);
  return {
    gateway,
    log,
    plane,
    config,
    ask: async (path, init) => {
      const answer = await fetched(path, init);
      return { status: answer.status, body: await answer.json() };
    },
    text: async (path) => await (await fetched(path)).text(),
    linesOf: (status) => log.lines.items.filter((line) => line.status === status),
  };
}
