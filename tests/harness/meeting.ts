/** A front end and a back end that are registered, and the sessions they come to. */
import { ByteStream } from "./byte-stream.ts";
import type { GatewayProcess } from "./gateway-process.ts";
import { type Role, TcpEnd } from "./tcp-end.ts";
import { type Grant, V4Client } from "./v4-client.ts";

export type Planes = "zmq" | "srt" | "both";

export class Meeting {
  readonly client: V4Client;
  readonly server: V4Client;
  readonly #gateway: GatewayProcess;

  constructor(
    { gateway, client, server }: { gateway: GatewayProcess; client: V4Client; server: V4Client },
  ) {
    this.#gateway = gateway;
    this.client = client;
    this.server = server;
  }

  /** Registers both; ids are made unique by `name`, so that tests can share a gateway. */
  static async of(
    gateway: GatewayProcess,
    { name, max_conn = 100, local_address }: {
      name: string;
      max_conn?: number;
      local_address?: string;
    },
  ): Promise<Meeting> {
    const port = gateway.control_port;
    const [server, client] = await Promise.all([
      V4Client.register({ port, role: "server", id: `be-${name}`, max_conn, local_address }),
      V4Client.register({ port, role: "client", id: `fe-${name}`, local_address }),
    ]);
    return new Meeting({ gateway, client, server });
  }

  /** Asks for a session with our own server and waits until both sides have the grant. */
  async session(planes: Planes): Promise<Grant> {
    const request_id = this.client.ask({
      server_id: this.server.id,
      need_zmq: planes !== "srt",
      need_srt: planes !== "zmq",
    });
    const [grant] = await Promise.all([
      this.client.granted(request_id),
      this.server.granted(request_id),
    ]);
    return grant;
  }

  /** A TCP session with both ends connected and paired; `first` connects before the other. */
  async tcpSession({ first = "server" }: { first?: Role } = {}): Promise<TcpSession> {
    const grant = await this.session("zmq");
    return await joinTcp(this.#gateway, grant, { first });
  }

  async close(): Promise<void> {
    await Promise.all([this.client.close(), this.server.close()]);
  }
}

export interface TcpSession {
  grant: Grant;
  port: number;
  client: TcpEnd;
  server: TcpEnd;
}

export function helloFor(grant: Grant, role: Role) {
  const id = role === "client" ? grant.client_id : grant.server_id;
  return { role, session_id: grant.session_id, id };
}

/** Connects one end of a granted TCP port and says its hello. */
export function joinAs(
  grant: Grant,
  role: Role,
  { behind, local_address }: { behind?: Uint8Array; local_address?: string } = {},
): Promise<TcpEnd> {
  return TcpEnd.join({
    port: grant.zmq_port!,
    hello: helloFor(grant, role),
    behind,
    local_address,
  });
}

/** Connects both ends, one strictly after the gateway has seen the other, and waits for `paired`. */
export async function joinTcp(
  gateway: GatewayProcess,
  grant: Grant,
  { first = "server" }: { first?: Role } = {},
): Promise<TcpSession> {
  const { session_id } = grant;
  const one = await joinAs(grant, first);
  await gateway.logged(`${first}_pending`, { session_id });
  const other = await joinAs(grant, first === "server" ? "client" : "server");
  await gateway.logged("paired", { session_id });
  const [client, server] = first === "server" ? [other, one] : [one, other];
  return { grant, port: grant.zmq_port!, client, server };
}

/** Pours `total_bytes` from one end and checks the digest at the other, which must get them all. */
export async function carry(
  { from, to, total_bytes, seed = 7, ms = 60_000 }: {
    from: TcpEnd;
    to: TcpEnd;
    total_bytes: number;
    seed?: number;
    ms?: number;
  },
): Promise<{ sent: string; received: string }> {
  const before = to.received_bytes;
  if (before !== 0) {
    throw new Error("carry() hashes from the first byte; this end has received some");
  }
  const [sent] = await Promise.all([
    from.pour(new ByteStream({ total_bytes, seed })),
    to.reached(total_bytes, ms),
  ]);
  return { sent, received: to.digest() };
}

/**
 * The gateway is alive and serves: a fresh pair meets, a kilobyte goes each way, the port comes
 * free. Called after everything hostile.
 */
export async function provesServing(
  gateway: GatewayProcess,
  { name, local_address }: { name: string; local_address?: string },
): Promise<void> {
  const meeting = await Meeting.of(gateway, { name: `proof-${name}`, local_address });
  const grant = await meeting.session("zmq");
  const server = await joinAs(grant, "server", { local_address });
  const client = await joinAs(grant, "client", { local_address });
  await Promise.all([
    client.write("u".repeat(1024)),
    server.write("d".repeat(1024)),
    server.reached(1024),
    client.reached(1024),
  ]);
  client.halfClose();
  server.halfClose();
  await Promise.all([client.closed(), server.closed()]);
  await gateway.logged("session_stop", { session_id: grant.session_id });
  await meeting.close();
}
