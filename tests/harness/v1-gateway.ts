/** A gateway that serves both generations, and ends that speak v1 to it. */
import type { PortRange } from "./free-ports.ts";
import { claimPorts } from "./free-ports.ts";
import { GatewayProcess, type Settings } from "./gateway-process.ts";
import { TcpEnd } from "./tcp-end.ts";
import { V1Client } from "./v1-client.ts";

export const V1_SECRET = "the secret of the tests of relay_X v1";

/** Of the block's ports the first few are V4's. */
const V4_PORTS = 4;
const ATTEMPTS_MAX = 5;

export interface V1Gateway {
  gateway: GatewayProcess;
  zmq: PortRange;
  srt: PortRange;
  /** What the file has, for a reload with something else in it. */
  settings: (rlx1?: Record<string, unknown>, others?: Settings) => Settings;
  stop(): Promise<void>;
}

export interface V1Options {
  rlx1?: Record<string, unknown>;
  others?: Settings;
}

/**
 * With 96 ports of one label and 40 of the other, all of which listen. Of so many one may be in use as
 * the near end of somebody's outgoing connection; then other ones are taken.
 */
export async function startV1Gateway(options: V1Options = {}): Promise<V1Gateway> {
  for (let attempt = 1;; attempt++) {
    const v1 = await attemptV1Gateway(options);
    const [blocked] = v1.gateway.linesOf("port_blocked");
    if (blocked === undefined) return v1;
    await v1.stop();
    if (attempt === ATTEMPTS_MAX) throw new Error(`port ${blocked.port} cannot be had`);
  }
}

async function attemptV1Gateway({ rlx1 = {}, others = {} }: V1Options): Promise<V1Gateway> {
  const more = await claimPorts({ tcp_ports: 48 });
  try {
    const zmq = { first: more.tcp.first, last: more.tcp.first + 95 };
    const ports = await claimPorts({ tcp_ports: 48 });
    const srt = { first: ports.tcp.first + V4_PORTS, last: ports.tcp.first + V4_PORTS + 39 };
    const settings = (own: Record<string, unknown> = {}, also: Settings = {}) => ({
      ...others,
      ...also,
      rlx1: {
        secret: V1_SECRET,
        zmq_start_port: zmq.first,
        zmq_end_port: zmq.last,
        srt_start_port: srt.first,
        srt_end_port: srt.last,
        ...rlx1,
        ...own,
      },
    });
    // The gateway's own block keeps its first ports for V4.
    const block = { ...ports, tcp: { first: ports.tcp.first, last: srt.first - 1 } };
    const gateway = await GatewayProcess.startOn(block, { settings: settings() });
    return {
      gateway,
      zmq,
      srt,
      settings,
      stop: async () => {
        try {
          await gateway.stop();
        } finally {
          await more.release();
        }
      },
    };
  } catch (error) {
    await more.release();
    throw error;
  }
}

export async function v1Peer(
  { gateway }: Pick<V1Gateway, "gateway">,
  role: "FE" | "BE",
  client_id = "",
): Promise<V1Client> {
  const client = await V1Client.connect({ port: gateway.control_port });
  await client.register({ role, client_id, secret: V1_SECRET });
  return client;
}

/** A data connection that has said hello. */
export async function v1End(port: number, role: "FE" | "BE", client_id = ""): Promise<TcpEnd> {
  const end = await TcpEnd.connect({ port, name: `${role} ${client_id} on ${port}` });
  await end.write(`RLX1HELLO ${JSON.stringify({ role, client_id })}\n`);
  return end;
}
