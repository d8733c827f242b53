/**
 * relayx itself: the compiled binary, every session paired through its control port. Its SRT sessions
 * have a port each, or in `relayx-shared` one for all (`gosrt.mode`).
 */
import { existsSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { binary_path } from "../../tests/harness/runtime.ts";
import { V4Client } from "../../tests/harness/v4-client.ts";
import type { Child } from "../child.ts";
import { BENCH_KEY } from "../load/fastway-key.ts";
import type { Contender, Lane, Need, Running } from "./contender.ts";
import type { FreePorts } from "./ports.ts";
import { listens, programVersion } from "./proxy.ts";

const LOG_FILE = "relayx.log";
/** Ports beyond those in use, so that a port that is closing never keeps a session waiting. */
const SPARE_PORTS = 64;
/** What the back end says it can serve: more than any measure asks for. */
const CAPACITY = 65_536;

export function relayx({ ports }: { ports: FreePorts }): Contender {
  return {
    name: "relayx",
    carries: ["tcp", "srt", "fastway"],
    setup:
      "The compiled binary with its defaults, but for the ports, the log's file, the SRT latency " +
      "and `session_idle_timeout: 0` so that idle sessions stay. Every session is paired through " +
      "the control port and opened by a hello on both sides. For fastway it has that section, with " +
      "`ClientMaxConn: 0` and, as windows of the load are wider than 1024 messages, " +
      "`ClientSendChanSize: 102400`.",
    ...command({ ports, mode: "per_session" }),
  };
}

export function relayxShared({ ports }: { ports: FreePorts }): Contender {
  return {
    name: "relayx-shared",
    carries: ["srt"],
    setup: "The same with `gosrt.mode: shared` and one shared port.",
    ...command({ ports, mode: "shared" }),
  };
}

type Mode = "per_session" | "shared";

function command(
  { ports, mode }: { ports: FreePorts; mode: Mode },
): Pick<Contender, "shown" | "version" | "start"> {
  return {
    shown: "relayx --config_path config.yaml",
    version: async () => {
      requireBinary();
      return await programVersion(binary_path, ["--version"], /^(.*\S)\s*$/m);
    },
    async start({ children, folder, need }) {
      requireBinary();
      const [control_port] = await ports.take(1);
      const fastway = await ports.take(2);
      const home = await mkdtemp(join(folder, "relayx-"));
      const config = join(home, "config.yaml");
      await writeFile(
        config,
        JSON.stringify(configuration({ ports, home, control_port, fastway, need, mode })),
      );
      const child = children.start({
        name: "relayx",
        command: binary_path,
        args: ["--config_path", config],
      });
      try {
        await Promise.race([listens(control_port, "relayx"), child.gone()]);
        const serving_ms = performance.now() - child.started_ms;
        if (need.transport === "fastway") {
          return new FastwayGateway({ serving_ms, child, ports: fastway });
        }
        return await Pairing.start({ serving_ms, child, control_port, need });
      } catch (error) {
        await child.stop();
        throw error;
      }
    },
  };
}

function requireBinary(): void {
  if (!existsSync(binary_path)) {
    throw new Error(`${binary_path} is missing; npm run bench builds it`);
  }
}

function configuration({ ports, home, control_port, fastway, need, mode }: {
  ports: FreePorts;
  home: string;
  control_port: number;
  fastway: readonly number[];
  need: Need;
  mode: Mode;
}): Record<string, Record<string, unknown>> {
  const wanted = need.sessions + SPARE_PORTS;
  const range = ({ first, last }: { first: number; last: number }) => `${first}-${last}`;
  return {
    gateway: {
      bind_address: "127.0.0.1",
      tcp_port: control_port,
      session_idle_timeout: 0,
      shutdown_timeout: "200ms",
    },
    zeromq: { port_range: range(ports.range(need.transport === "tcp" ? wanted : 1)) },
    gosrt: {
      port_range: range(ports.range(need.transport === "srt" ? wanted : 1)),
      latency: need.latency_ms,
      ...(mode === "shared" && { mode, shared_port: range(ports.range(1)) }),
    },
    ...(need.transport === "fastway" && {
      fastway: {
        ClientAddr: `127.0.0.1:${fastway[0]}`,
        ServerAddr: `127.0.0.1:${fastway[1]}`,
        ServerAuthKey: BENCH_KEY,
        ClientMaxConn: 0,
        ClientSendChanSize: 102_400,
        process_folder: home,
      },
    }),
    logging: { file_path: join(home, LOG_FILE) },
  };
}

/** fastway needs nobody registered: each group's back end is one server, its front end the clients. */
class FastwayGateway implements Running {
  readonly serving_ms: number;
  readonly #child: Child;
  readonly #ports: readonly number[];

  constructor(
    { serving_ms, child, ports }: { serving_ms: number; child: Child; ports: readonly number[] },
  ) {
    this.serving_ms = serving_ms;
    this.#child = child;
    this.#ports = ports;
  }

  pids(): number[] {
    return [this.#child.pid];
  }

  open(group: number, sessions: number): Promise<Lane> {
    const [client, server] = this.#ports;
    const to = (port: number) => ({ port, opening: "" });
    return Promise.resolve({
      front: { connect: Array.from({ length: sessions }, () => to(client)) },
      back: { connect: [to(server)] },
      hops: 2,
      fastway_server: group + 1,
    });
  }

  sessionsWay(): never {
    throw new Error("sessions of fastway are not asked for one by one");
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }
}

/** A front end and a back end that are registered and pair as many sessions as asked for. */
class Pairing implements Running {
  readonly serving_ms: number;
  readonly #child: Child;
  readonly #control_port: number;
  readonly #need: Need;
  readonly #server: V4Client;
  readonly #client: V4Client;

  private constructor(options: {
    serving_ms: number;
    child: Child;
    control_port: number;
    need: Need;
    server: V4Client;
    client: V4Client;
  }) {
    this.serving_ms = options.serving_ms;
    this.#child = options.child;
    this.#control_port = options.control_port;
    this.#need = options.need;
    this.#server = options.server;
    this.#client = options.client;
  }

  static async start({ serving_ms, child, control_port, need }: {
    serving_ms: number;
    child: Child;
    control_port: number;
    need: Need;
  }): Promise<Pairing> {
    const port = control_port;
    const server = await V4Client.register({ port, role: "server", id: "be", max_conn: CAPACITY });
    const client = await V4Client.register({ port, role: "client", id: "fe" });
    return new Pairing({ serving_ms, child, control_port, need, server, client });
  }

  pids(): number[] {
    return [this.#child.pid];
  }

  async open(_group: number, sessions: number): Promise<Lane> {
    const need_zmq = this.#need.transport === "tcp";
    const asked = Array.from(
      { length: sessions },
      () => this.#client.ask({ server_id: "be", need_zmq, need_srt: !need_zmq }),
    );
    const front: { port: number; opening: string }[] = [];
    const back: { port: number; opening: string }[] = [];
    for (const request_id of asked) {
      const grant = await this.#client.granted(request_id);
      await this.#server.granted(request_id);
      const port = (need_zmq ? grant.zmq_port : grant.srt_port)!;
      const { session_id } = grant;
      front.push({ port, opening: hello({ role: "client", session_id, id: "fe" }) });
      back.push({ port, opening: hello({ role: "server", session_id, id: "be" }) });
    }
    return { front: { connect: front }, back: { connect: back }, hops: 2 };
  }

  sessionsWay(): { control_port: number } {
    return { control_port: this.#control_port };
  }

  async stop(): Promise<void> {
    this.#client.destroy();
    this.#server.destroy();
    await this.#child.stop();
  }
}

function hello(line: { role: "client" | "server"; session_id: string; id: string }): string {
  return `V4HELLO ${JSON.stringify(line)}\n`;
}
