/** A gateway that serves both generations, and ends that speak v1 to it. */
import type { PortRange } from "./free-ports.ts";
import { claimPorts } from "./free-ports.ts";
import { GatewayProcess, type Settings } from "./gateway-process.ts";
import { TcpEnd } from "./tcp-end.ts";
import { V1Client } from "./v1-client.ts";

export const V1_SECRET = "the secret of the tests of relay_X v1";

/** Of the block's ports the first few are V4's. */
const V4_PORTS = 4;

export interface V1Gateway {
  gateway: GatewayProcess;
  zmq: PortRange;
  srt: PortRange;
  /** What the file has, for a reload with something else in it. */
  settings: (rlx1?: Record<string, unknown>, others?: Settings) => Settings;
  stop(): Promise<void>;
}

/** With 96 ports of one label and 40 of the other. */
export async function startV1Gateway(
  { rlx1 = {}, others = {} }: { rlx1?: Record<string, unknown>; others?: Settings } = {},
): Promise<V1Gateway> {
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
    const v1 = {
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
    // A port that could not be had at first is tried again after 5 s.
    const watch = await v1Peer(v1, "FE", "watch");
    await watch.states((
      { zmq_empty_ports: { length: some }, srt_empty_ports: { length: others } },
    ) => some === 96 && others === 40);
    await watch.close();
    return v1;
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
