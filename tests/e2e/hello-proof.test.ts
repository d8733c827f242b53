/** Sessions whose ends must prove that the grant was their own. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { helloFor, Meeting } from "../harness/meeting.ts";
import { type Role, TcpEnd } from "../harness/tcp-end.ts";
import type { Grant } from "../harness/v4-client.ts";

setDefaultTimeout(30_000);

describe("auth.hello_proof", () => {
  let gateway: GatewayProcess;
  beforeAll(async () => {
    gateway = await GatewayProcess.start();
  });
  afterAll(() => gateway.stop());

  /** The grant as each end gets it. */
  async function granted(meeting: Meeting, qos?: object): Promise<Record<Role, Grant>> {
    const request_id = meeting.client.ask({
      server_id: meeting.server.id,
      need_zmq: true,
      need_srt: true,
      qos,
    });
    const [client, server] = await Promise.all([
      meeting.client.granted(request_id),
      meeting.server.granted(request_id),
    ]);
    return { client, server };
  }

  function join(grant: Grant, role: Role, hello_token = grant.hello_token): Promise<TcpEnd> {
    return TcpEnd.join({
      port: grant.zmq_port!,
      hello: { ...helloFor(grant, role), hello_token },
    });
  }

  test("who knows the session, and even the other end's proof, is turned away", async () => {
    const meeting = await Meeting.of(gateway, { name: "proof" });
    const { client, server } = await granted(meeting, {
      hello_proof: true,
      srt: { encrypt: true },
    });
    const secrets = [client.hello_token, server.hello_token, client.srt_passphrase];
    expect(new Set(secrets.filter((secret) => /^[0-9a-f]{32}$/.test(secret ?? ""))).size).toBe(3);
    const { session_id } = client;
    for (const wrong of ["", "0".repeat(32), server.hello_token]) {
      const stranger = await join(client, "client", wrong);
      await stranger.turnedAway();
      await gateway.takeLogged("hello_unproven", { session_id, kind: "zmq" });
    }
    const one = await join(client, "client");
    const other = await join(server, "server");
    await gateway.logged("paired", { session_id });
    await one.write("proven");
    expect((await other.head(6)).toString()).toBe("proven");
    one.abort();
    await gateway.logged("session_stop", { session_id });
    await meeting.close();
    const log = JSON.stringify(gateway.log.items);
    expect(log).toContain(session_id);
    for (const secret of secrets) expect(log).not.toContain(secret!);
  });

  test("who does not ask for proofs gets a session as ever", async () => {
    const meeting = await Meeting.of(gateway, { name: "plain" });
    const { client, server } = await granted(meeting);
    expect(client).toEqual(server);
    expect(client).not.toHaveProperty("hello_token");
    const { session_id } = client;
    await join(server, "server");
    await join(client, "client");
    await gateway.logged("paired", { session_id });
    await meeting.close();
  });
});

test("with `required` a client that sends no proof is turned away", async () => {
  const gateway = await GatewayProcess.start({ settings: { auth: { hello_proof: "required" } } });
  try {
    const meeting = await Meeting.of(gateway, { name: "old" });
    const { session_id, zmq_port: port = 0, ...grant } = await meeting.session("zmq");
    const hello = { ...helloFor({ ...grant, session_id }, "client"), hello_token: undefined };
    const old = await TcpEnd.join({ port, hello });
    await old.turnedAway();
    await gateway.logged("hello_unproven", { session_id });
    await meeting.close();
  } finally {
    await gateway.stop();
  }
});
