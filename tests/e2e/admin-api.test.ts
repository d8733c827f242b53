import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { AdminPort } from "../harness/admin-port.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { Meeting } from "../harness/meeting.ts";
import { checkedDocument } from "../harness/openapi.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(60_000);

describe("the admin API of a gateway that runs", () => {
  let gateway: GatewayProcess;
  let admin: AdminPort;
  let meeting: Meeting;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({ settings: { admin: { port: 0 } } });
    admin = await AdminPort.of(gateway);
    meeting = await Meeting.of(gateway, { name: "api" });
  });
  afterAll(async () => {
    await meeting.close();
    await gateway.stop();
  });

  test("every answer is what its description says", async () => {
    const document = checkedDocument((await admin.ask("/openapi.json")).json);
    const { grant, client, server } = await meeting.tcpSession();
    const id = encodeURIComponent(grant.session_id);
    const asked: [method: string, route: string, path?: string, body?: unknown][] = [
      ["GET", "/healthz"],
      ["GET", "/readyz"],
      ["GET", "/api/v1/gateway"],
      ["GET", "/api/v1/ports"],
      ["GET", "/api/v1/registrations"],
      ["GET", "/api/v1/sessions"],
      ["GET", "/api/v1/sessions/{session_id}", `/api/v1/sessions/${id}`],
      ["GET", "/api/v1/sessions/{session_id}", "/api/v1/sessions/none"],
      ["GET", "/api/v1/history"],
      ["GET", "/api/v1/streams"],
      ["GET", "/api/v1/events", "/api/v1/events?limit=1000"],
      ["GET", "/api/v1/explain/{subject}", `/api/v1/explain/${id}`],
      ["GET", "/api/v1/explain", "/api/v1/explain?subject=.."],
      ["POST", "/api/v1/bans", undefined, { subject: "address:192.0.2.0/24", duration_ms: 60_000 }],
      ["POST", "/api/v1/bans", undefined, { subject: "nonsense" }],
      ["GET", "/api/v1/bans"],
      ["DELETE", "/api/v1/bans/{subject}", "/api/v1/bans/address%3A192.0.2.0%2F24"],
      ["DELETE", "/api/v1/bans/{subject}", "/api/v1/bans/id%3Anobody"],
      ["POST", "/api/v1/drain", undefined, {}],
      ["GET", "/readyz"],
      ["DELETE", "/api/v1/drain"],
      ["POST", "/api/v1/reload"],
      ["DELETE", "/api/v1/sessions/{session_id}", `/api/v1/sessions/${id}`],
      ["DELETE", "/api/v1/registrations/{role}/{id}", "/api/v1/registrations/server/nobody"],
      ["DELETE", "/api/v1/registrations/{role}", "/api/v1/registrations/server"],
    ];
    const faults: string[] = [];
    const statuses: number[] = [];
    for (const [method, route, path = route, body] of asked) {
      const { status, json } = await admin.ask(path, { method, body });
      statuses.push(status);
      faults.push(...document.faults(method, route, status, json));
    }
    expect(faults).toEqual([]);
    const not_200 = statuses.flatMap((status, i) => status === 200 ? [] : [[asked[i][1], status]]);
    expect(not_200).toEqual([
      ["/api/v1/sessions/{session_id}", 404],
      ["/api/v1/bans", 422],
      ["/api/v1/bans/{subject}", 404],
      ["/readyz", 503],
      ["/api/v1/registrations/{role}/{id}", 404],
      ["/api/v1/registrations/{role}", 400],
    ]);
    await Promise.all([client.closed(), server.closed()]);
    await gateway.allPortsIdle();
  });

  test("a session as it runs, and what has become of it afterwards", async () => {
    const { grant, client, server } = await meeting.tcpSession({ first: "client" });
    await client.write(new Uint8Array(1_000_000));
    await server.reached(1_000_000);
    const { session_id } = grant;
    const { json: row } = await admin.ask(`/api/v1/sessions/${session_id}`);
    expect(row).toMatchObject({
      session_id,
      client_id: meeting.client.id,
      server_id: meeting.server.id,
      ports: [{ kind: "zmq", port: grant.zmq_port, phase: "occupied", bytes_down: 0 }],
    });
    expect(row.ports[0].client_remote).toStartWith("127.0.0.1:");
    const { json: running } = await admin.ask(`/api/v1/explain/${session_id}`);
    expect(running.sentences.at(-1)).toContain("Now: TCP port");
    client.halfClose();
    server.halfClose();
    await gateway.logged("session_stop", { session_id });
    const { json: over } = await admin.ask(`/api/v1/explain/${session_id}`);
    const told = over.sentences.join("\n");
    expect(over.is).toBe("session");
    expect(told).toContain(`was paired with the server ${meeting.server.id}`);
    expect(told).toContain("connected to TCP port");
    expect(told).toContain("closed: both directions had ended in order");
    expect(told).toContain("1.0 MB went from the client to the server");
    expect(told).toContain("Now: the session is over");
    const { json: peer } = await admin.ask(`/api/v1/explain/${meeting.server.id}`);
    expect(peer.is).toBe("server");
    expect(peer.sentences.join("\n")).toContain("has been registered for");
    await gateway.allPortsIdle();
  });

  test("a request that waited says for how long, a refused one what to do", async () => {
    const client = await V4Client.register({
      port: gateway.control_port,
      role: "client",
      id: "fe-patient",
    });
    const request_id = client.ask({ server_id: "be-late", need_zmq: true, need_srt: false });
    await gateway.logged("pair_waiting", { request_id });
    const server = await V4Client.register({
      port: gateway.control_port,
      role: "server",
      id: "be-late",
    });
    const { session_id } = await client.granted(request_id);
    const { json } = await admin.ask(`/api/v1/explain/${session_id}`);
    expect(json.sentences[0]).toContain("began to wait: the server be-late was not there");
    expect(json.sentences[1]).toMatch(/It had waited for \d/);
    const refused = client.ask({ need_zmq: false, need_srt: false });
    await gateway.logged("pair_refused", { request_id: refused });
    const { json: asker } = await admin.ask("/api/v1/explain/fe-patient");
    expect(asker.sentences.join("\n")).toContain("was refused (502)");
    await Promise.all([client.close(), server.close()]);
    await admin.ask(`/api/v1/sessions/${session_id}`, { method: "DELETE" });
    await gateway.allPortsIdle();
  });

  test("kicking: a session, a registration, and both of a peer", async () => {
    const first = await meeting.tcpSession();
    const path = `/api/v1/sessions/${first.grant.session_id}`;
    expect((await admin.ask(path, { method: "DELETE" })).json).toEqual({ ended: 1 });
    await Promise.all([first.client.closed(), first.server.closed()]);
    expect((await admin.ask(path, { method: "DELETE" })).status).toBe(404);

    const odd = await Meeting.of(gateway, { name: "odd/%2F ?#\u{1F600}" });
    const second = await odd.tcpSession();
    const id = encodeURIComponent(odd.server.id);
    const gone = await admin.ask(`/api/v1/registrations/server/${id}?sessions=true`, {
      method: "DELETE",
    });
    expect(gone.json).toEqual({ ended: 2 });
    await Promise.all([second.client.closed(), second.server.closed()]);
    await gateway.logged("disconnected", { role: "server", id: odd.server.id });
    const told = await gateway.logged("admin_order", { id: odd.server.id });
    expect(told).toMatchObject({ order: "kick_registration", role: "server", sessions: true });
    expect(told.by).toMatch(/^127\.0\.0\.1:\d+ open$/);
    await odd.close();
    await gateway.allPortsIdle();
  });

  test("a reader waits for what happens next, and gets it", async () => {
    const { json: latest } = await admin.ask("/api/v1/events?limit=1");
    const query = `after=${latest.last_seq}&wait_ms=20000&status=registered&id=fe-awaited`;
    const waiting = admin.ask(`/api/v1/events?${query}`);
    const port = gateway.control_port;
    const client = await V4Client.register({ port, role: "client", id: "fe-awaited" });
    const { json } = await waiting;
    expect(json.events).toHaveLength(1);
    expect(json.events[0].fields).toMatchObject({ role: "client", id: "fe-awaited" });
    await client.close();
  });
});

describe("readiness", () => {
  test("a drain is told to who asks, and taken back", async () => {
    const gateway = await GatewayProcess.start({ settings: { admin: { port: 0 } } });
    const admin = await AdminPort.of(gateway);
    const meeting = await Meeting.of(gateway, { name: "drain" });
    const session = await meeting.tcpSession();
    const { json: drained } = await admin.ask("/api/v1/drain", {
      method: "POST",
      body: { deadline_ms: 60_000 },
    });
    expect(drained).toMatchObject({ state: "Draining", sessions: 1 });
    expect(drained.drain.deadline_unix_ms - drained.drain.since_unix_ms).toBe(60_000);
    expect(await admin.ask("/readyz")).toMatchObject({
      status: 503,
      json: { ready: false, reasons: ["the gateway drains"] },
    });
    expect((await admin.ask("/healthz")).status).toBe(200);
    expect((await admin.metrics()).value("relayx_state", { state: "Draining" })).toBe(1);
    expect((await admin.ask("/api/v1/drain", { method: "DELETE" })).json.state).toBe("Running");
    expect((await admin.ask("/readyz")).status).toBe(200);
    session.client.destroy();
    session.server.destroy();
    await meeting.close();
    await gateway.stop();
  });

  test("while it stops it is not ready, until the end", async () => {
    const gateway = await GatewayProcess.start({
      settings: { admin: { port: 0 }, gateway: { shutdown_timeout: "20s" } },
    });
    const admin = await AdminPort.of(gateway);
    const meeting = await Meeting.of(gateway, { name: "stop" });
    const session = await meeting.tcpSession();
    const waiting = admin.ask("/api/v1/events?after=9000000000000000&wait_ms=30000");
    gateway.signal("SIGTERM");
    await gateway.logged("stopping");
    expect(await admin.ask("/readyz")).toMatchObject({
      status: 503,
      json: { reasons: ["the gateway is stopping"] },
    });
    expect((await admin.ask("/api/v1/drain", { method: "POST" })).status).toBe(422);
    session.client.destroy();
    session.server.destroy();
    expect((await waiting).status).toBe(200);
    expect((await gateway.exited()).code).toBe(0);
    await meeting.close();
    await gateway.kill();
  });
});
