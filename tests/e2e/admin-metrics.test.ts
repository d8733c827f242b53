import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { AdminPort } from "../harness/admin-port.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { helloFor, Meeting } from "../harness/meeting.ts";
import type { MetricsText } from "../harness/metrics-text.ts";
import { SrtThread } from "../harness/srt-end.ts";
import { joinSrt } from "../harness/srt-meeting.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(60_000);

describe("metrics before, during and after real traffic", () => {
  let gateway: GatewayProcess;
  let admin: AdminPort;
  let meeting: Meeting;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({ settings: { admin: { port: 0 } } });
    admin = await AdminPort.of(gateway);
    meeting = await Meeting.of(gateway, { name: "metrics" });
  });
  afterAll(async () => {
    await meeting.close();
    await gateway.stop();
  });

  const bytes = (page: MetricsText, protocol: string, direction: string) =>
    page.value("relay_pipe_bytes_total", { protocol, direction }) ?? -1;

  test("keep the format's rules on the live page", async () => {
    const page = await admin.metrics();
    expect(page.faults()).toEqual([]);
    expect(page.value("relay_port_state", { protocol: "zmq", state: "idle" })).toBe(24);
    expect(page.value("relayx_registrations", { role: "server" })).toBe(1);
    expect(page.value("relayx_state", { state: "Running" })).toBe(1);
    expect(page.value("relayx_worker_loop_lag_seconds", { protocol: "zmq" })).toBeNumber();
    expect(page.value("process_cpu_seconds_total")).toBeGreaterThan(0);
  });

  test("over TCP: bytes while the session runs, connections, grants, its end", async () => {
    const before = await admin.metrics();
    const { grant, client, server } = await meeting.tcpSession();
    await client.write(new Uint8Array(300_000));
    await server.reached(300_000);
    await server.write(new Uint8Array(1000));
    await client.reached(1000);
    const during = await admin.metrics();
    const grown = (name: string, labels: Record<string, string>, page: MetricsText) =>
      (page.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0);
    expect(bytes(during, "zmq", "up") - bytes(before, "zmq", "up")).toBe(300_000);
    expect(bytes(during, "zmq", "down") - bytes(before, "zmq", "down")).toBe(1000);
    expect(grown("zmq_conn_total", { role: "client" }, during)).toBe(1);
    expect(grown("zmq_conn_total", { role: "server" }, during)).toBe(1);
    expect(grown("relayx_grants_total", {}, during)).toBe(1);
    expect(grown("relayx_setup_seconds_count", {}, during)).toBe(1);
    expect(during.value("relay_port_state", { protocol: "zmq", state: "occupied" })).toBe(1);
    expect(during.value("relayx_sessions")).toBe(1);
    client.halfClose();
    server.halfClose();
    await gateway.logged("session_stop", { session_id: grant.session_id });
    const after = await admin.metrics();
    expect(bytes(after, "zmq", "up")).toBe(bytes(during, "zmq", "up"));
    expect(bytes(after, "zmq", "down")).toBe(bytes(during, "zmq", "down"));
    expect(after.value("relayx_sessions")).toBe(0);
    expect(grown("relayx_session_ends_total", { protocol: "zmq", reason: "finished" }, after)).toBe(
      1,
    );
    expect(after.faults()).toEqual([]);
    await gateway.allPortsIdle();
  });

  test("a hello that is wrong, and a request that cannot be had", async () => {
    const before = await admin.metrics();
    const grant = await meeting.session("zmq");
    const stranger = await TcpEnd.connect({ port: grant.zmq_port! });
    stranger.write("V4HELLO nonsense\n");
    await stranger.turnedAway();
    await gateway.logged("hello_error", { session_id: grant.session_id });
    const request_id = meeting.client.ask({ need_zmq: false, need_srt: false });
    await gateway.logged("pair_refused", { request_id });
    const after = await admin.metrics();
    const grown = (name: string, labels: Record<string, string>) =>
      (after.value(name, labels) ?? 0) - (before.value(name, labels) ?? 0);
    expect(grown("relayx_hello_failures_total", { protocol: "zmq", status: "hello_error" })).toBe(
      1,
    );
    expect(grown("relayx_refusals_total", { request: "pair", reason: "502" })).toBe(1);
    await admin.ask(`/api/v1/sessions/${grant.session_id}`, { method: "DELETE" });
    await gateway.allPortsIdle();
  });

  test("over SRT: bytes of both directions, connections, and its end", async () => {
    const thread = await SrtThread.start();
    try {
      const before = await admin.metrics();
      const grant = await meeting.session("srt");
      const { client, server } = await joinSrt({ gateway, thread, grant });
      client.send(new Uint8Array(1316));
      await server.message();
      server.send(new Uint8Array(100));
      await client.message();
      const during = await admin.metrics();
      expect(bytes(during, "srt", "up") - bytes(before, "srt", "up")).toBe(1316);
      expect(bytes(during, "srt", "down") - bytes(before, "srt", "down")).toBe(100);
      expect(during.value("srt_conn_total", { role: "client" })).toBe(1);
      expect(during.value("srt_conn_total", { role: "server" })).toBe(1);
      await admin.ask(`/api/v1/sessions/${grant.session_id}`, { method: "DELETE" });
      await gateway.logged("session_stop", { session_id: grant.session_id });
      const after = await admin.metrics();
      expect(bytes(after, "srt", "up")).toBe(bytes(during, "srt", "up"));
      expect(after.value("relayx_session_ends_total", { protocol: "srt", reason: "released" }))
        .toBe(1);
    } finally {
      await thread.close();
    }
  });

  test("nobody who reads finds a token, a passphrase or a proof", async () => {
    const port = gateway.control_port;
    const tokens = { client: "the-token-of-the-client", server: "the-token-of-the-server" };
    const ends = await Promise.all((["client", "server"] as const).map(async (role) => {
      const end = await V4Client.connect({ port, id: `${role}-with-secrets` });
      const asked = { role, id: end.id, token: tokens[role], max_conn: 5 };
      expect(await end.tryRegister(asked)).toMatchObject({ status: "ok" });
      // A registration that is refused is logged with what was asked for.
      const twin = await V4Client.connect({ port });
      expect(await twin.tryRegister(asked)).toMatchObject({ code: 503 });
      await twin.closed();
      return end;
    }));
    const [client, server] = ends;
    const request_id = client.ask({
      server_id: server.id,
      need_zmq: true,
      need_srt: true,
      qos: { hello_proof: true, srt: { encrypt: true } },
    });
    const grants = await Promise.all(ends.map((end) => end.granted(request_id)));
    const { session_id, zmq_port } = grants[0];
    const thief = await TcpEnd.join({
      port: zmq_port!,
      hello: { ...helloFor(grants[0], "client"), hello_token: grants[1].hello_token },
    });
    await thief.turnedAway();
    await gateway.logged("hello_unproven", { session_id });
    const secrets = [
      tokens.client,
      tokens.server,
      grants[0].srt_passphrase!,
      ...grants.map(({ hello_token }) => hello_token!),
    ];
    expect(secrets.filter((secret) => secret?.length >= 20)).toHaveLength(5);
    const paths = [
      "/metrics",
      "/api/v1/events?limit=1000",
      "/api/v1/gateway",
      "/api/v1/ports",
      "/api/v1/registrations",
      "/api/v1/sessions",
      `/api/v1/sessions/${session_id}`,
      "/api/v1/streams",
      `/api/v1/explain/${session_id}`,
      `/api/v1/explain/${client.id}`,
      `/api/v1/explain/${server.id}`,
    ];
    const pages = await Promise.all(paths.map(async (path) => (await admin.ask(path)).body));
    expect(pages.filter((page) => page.includes(session_id)).length).toBeGreaterThanOrEqual(5);
    pages.push(JSON.stringify(gateway.log.items), gateway.stderr);
    const found = secrets.filter((secret) => pages.some((page) => page.includes(secret)));
    expect(found).toEqual([]);
    await Promise.all(ends.map((end) => end.close()));
  });
});
