/** relayx as a process that serves fastway, and peers that connect to it. */
import { type ConnectOptions, FastwayPeer } from "./fastway-peer.ts";
import { claimPorts } from "./free-ports.ts";
import { type GatewayOptions, GatewayProcess, type Settings } from "./gateway-process.ts";

export const FASTWAY_KEY = "the key of the tests' servers";

/** Of the block's ports the first are V4's, the ones behind them fastway's. */
const V4_PORTS = 24;
const FASTWAY_PORTS = 4;

type Keys = Record<string, unknown>;

export interface FastwayServiceOptions extends Omit<GatewayOptions, "tcp_ports"> {
  /** Keys of the section over what the tests need; or a function of ports that are free for it. */
  fastway?: Keys | ((tls: { client: number; server: number }) => Keys);
}

export class FastwayService {
  readonly gateway: GatewayProcess;
  readonly client_port: number;
  readonly server_port: number;
  /** Where TLS may listen. */
  readonly client_tls_port: number;
  readonly server_tls_port: number;
  readonly #settings: (fastway?: Keys, others?: Settings) => Settings;

  private constructor(
    gateway: GatewayProcess,
    first_port: number,
    settings: (fastway?: Keys, others?: Settings) => Settings,
  ) {
    this.gateway = gateway;
    this.client_port = first_port;
    this.server_port = first_port + 1;
    this.client_tls_port = first_port + 2;
    this.server_tls_port = first_port + 3;
    this.#settings = settings;
  }

  static async start(
    { fastway = {}, settings: others = {}, ...options }: FastwayServiceOptions = {},
  ): Promise<FastwayService> {
    const ports = await claimPorts({ ...options, tcp_ports: V4_PORTS + FASTWAY_PORTS });
    const first_port = ports.tcp.first + V4_PORTS;
    const own = typeof fastway === "function"
      ? fastway({ client: first_port + 2, server: first_port + 3 })
      : fastway;
    const settings = (more: Keys = {}, also: Settings = {}): Settings => ({
      ...others,
      ...also,
      fastway: {
        ClientAddr: `127.0.0.1:${first_port}`,
        ServerAddr: `127.0.0.1:${first_port + 1}`,
        ServerAuthKey: FASTWAY_KEY,
        // The tests run in the repository, where no pid file belongs.
        process_folder: "",
        ...own,
        ...more,
      },
    });
    const block = { ...ports, tcp: { first: ports.tcp.first, last: first_port - 1 } };
    const gateway = await GatewayProcess.startOn(block, { ...options, settings: settings() });
    return new FastwayService(gateway, first_port, settings);
  }

  /** What the file has, with other keys over it, for a reload. */
  settings(fastway?: Keys, others?: Settings): Settings {
    return this.#settings(fastway, others);
  }

  client(options: Partial<ConnectOptions> = {}): Promise<FastwayPeer> {
    return FastwayPeer.client({ port: this.client_port, ...options });
  }

  server(id: number, options: Partial<ConnectOptions> = {}): Promise<FastwayPeer> {
    return FastwayPeer.server({ port: this.server_port, key: FASTWAY_KEY, id, ...options });
  }

  stop(): Promise<void> {
    return this.gateway.stop();
  }
}
