import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { joinAs, joinTcp, Meeting } from "../harness/meeting.ts";
import { type Grant, V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

describe("pairing", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await GatewayProcess.start();
  });
  afterAll(() => gateway.stop());

  for (const planes of ["zmq", "srt", "both"] as const) {
    test(`a grant for ${planes} goes to both sides, without tokens`, async () => {
      const meeting = await Meeting.of(gateway, { name: `grant-${planes}` });
      const request_id = meeting.client.ask({
        need_zmq: planes !== "srt",
        need_srt: planes !== "zmq",
        qos: { class: "gold" },
      });
      const [grant, same] = await Promise.all([
        meeting.client.granted(request_id),
        meeting.server.granted(request_id),
      ]);
      expect(same).toEqual(grant);
      expect(grant.session_id).toMatch(/^[0-9a-f]{16}$/);
      expect(grant).toEqual({
        request_id,
        session_id: grant.session_id,
        server_id: `be-grant-${planes}`,
        client_id: `fe-grant-${planes}`,
        ...(planes === "srt"
          ? {}
          : { zmq_port: gateway.ports.tcp.first + (planes === "both" ? 1 : 0) }),
        ...(planes === "zmq"
          ? {}
          : { srt_port: gateway.ports.srt.first + (planes === "both" ? 1 : 0) }),
      });
      await meeting.close();
    });
  }

  test("an empty request_id is made up, the same for both sides", async () => {
    const meeting = await Meeting.of(gateway, { name: "nameless" });
    const payload = { server_id: "be-nameless", need_zmq: true };
    for (const request of [payload, { ...payload, request_id: "" }]) {
      meeting.client.send({ type: "pair_request", payload: request });
      const grant = await meeting.client.answer("pair_grant") as Grant;
      expect(grant.request_id).not.toBe("");
      expect(await meeting.server.granted(grant.request_id)).toEqual(grant);
    }
    await meeting.close();
  });

  for (const first of ["client", "server"] as const) {
    test(`bytes flow when the ${first} connects first`, async () => {
      const meeting = await Meeting.of(gateway, { name: `first-${first}` });
      const { client, server, grant } = await meeting.tcpSession({ first });
      await client.write("from the front");
      await server.write("from the back");
      expect((await server.head(14)).toString()).toBe("from the front");
      expect((await client.head(13)).toString()).toBe("from the back");
      client.halfClose();
      server.halfClose();
      await gateway.logged("session_stop", { session_id: grant.session_id });
      await meeting.close();
    });
  }

  test("many sessions of one pair run side by side, each on its own port", async () => {
    const meeting = await Meeting.of(gateway, { name: "many" });
    const sessions = [];
    for (let turn = 0; turn < 10; turn++) sessions.push(await meeting.tcpSession());
    expect(new Set(sessions.map(({ port }) => port)).size).toBe(10);
    expect(new Set(sessions.map(({ grant }) => grant.session_id)).size).toBe(10);
    await Promise.all(sessions.map(async ({ client, server, grant }, at) => {
      const up = `up ${at} ${grant.session_id}`;
      const down = `down ${at} ${grant.session_id}`;
      await Promise.all([client.write(up), server.write(down)]);
      expect((await server.head(up.length)).toString()).toBe(up);
      expect((await client.head(down.length)).toString()).toBe(down);
    }));
    for (const { client, server } of sessions) {
      client.halfClose();
      server.halfClose();
    }
    await Promise.all(sessions.flatMap(({ client, server }) => [client.closed(), server.closed()]));
    await meeting.close();
  });
});

describe("the choice of a server", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await GatewayProcess.start();
  });
  afterAll(() => gateway.stop());

  const enter = (role: "server" | "client", id: string, max_conn?: number) =>
    V4Client.register({ port: gateway.control_port, role, id, max_conn });

  test("is the one asked for, else the most remaining capacity, ties to the lowest id", async () => {
    const servers = [await enter("server", "b", 3), await enter("server", "a", 2)];
    servers.push(await enter("server", "c", 3));
    const client = await enter("client", "chooser");
    const ask = async (server_id?: string) =>
      (await client.granted(client.ask({ server_id, need_zmq: true }))).server_id;
    // Remaining a:2 b:3 c:3, and every grant takes one, reserved ports counting as in use.
    expect(await ask()).toBe("b");
    expect(await ask()).toBe("c");
    expect(await ask()).toBe("a");
    expect(await ask("c")).toBe("c");
    expect(await ask()).toBe("b");
    expect(await ask("a")).toBe("a");
    expect([await ask(), await ask()].sort()).toEqual(["b", "c"]);
    await Promise.all([...servers, client].map((one) => one.close()));
  });

  test("counts both ports of a session that asks for both planes", async () => {
    const server = await enter("server", "double", 2);
    const client = await enter("client", "fe-double");
    await client.granted(
      client.ask({ server_id: "double", need_zmq: true, need_srt: true }),
    );
    const in_use = await gateway.portsInUse();
    client.ask({ server_id: "double", need_zmq: true });
    await client.settled();
    expect(await gateway.portsInUse()).toBe(in_use);
    expect(client.untaken("pair_grant")).toEqual([]);
    await Promise.all([server.close(), client.close()]);
  });

  for (const max_conn of [undefined, 0, -5]) {
    test(`max_conn ${max_conn} is 1`, async () => {
      const id = `single${max_conn}`;
      const server = await enter("server", id, max_conn);
      const client = await enter("client", `fe-${id}`);
      const in_use = await gateway.portsInUse();
      const first = client.ask({ server_id: id, need_zmq: true });
      client.ask({ server_id: id, need_zmq: true });
      await client.granted(first);
      await client.settled();
      expect(await gateway.portsInUse()).toBe(in_use + 1);
      expect(client.untaken("pair_grant")).toEqual([]);
      await Promise.all([server.close(), client.close()]);
    });
  }
});

describe("waiting for a server or a port", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({
      tcp_ports: 3,
      srt_ports: 1,
      settings: { limits: { waiting_requests_per_client_max: 5 } },
    });
  });
  afterAll(() => gateway.stop());

  const enter = (role: "server" | "client", id: string, max_conn?: number) =>
    V4Client.register({ port: gateway.control_port, role, id, max_conn });

  /** The original looks every 5 s; to be woken is to be far quicker than that. */
  const woken_ms = 1_500;

  test("a request waits for its server and is woken when it registers", async () => {
    const client = await enter("client", "early");
    const named = client.ask({ server_id: "late", need_zmq: true });
    const any = client.ask({ need_zmq: true });
    await client.settled();
    expect(await gateway.portsInUse()).toBe(0);
    expect(client.inbox.items).toEqual([]);
    const server = await enter("server", "late", 10);
    const grants = await Promise.all([
      client.granted(named, woken_ms),
      client.granted(any, woken_ms),
    ]);
    expect(grants.map(({ server_id }) => server_id)).toEqual(["late", "late"]);
    expect(await server.granted(named)).toEqual(grants[0]);
    await Promise.all([client.close(), server.close()]);
    await endReservations(grants);
  });

  test("first come, first served, across clients", async () => {
    const clients = await Promise.all(["q1", "q2", "q3"].map((id) => enter("client", id)));
    const asked: string[] = [];
    for (const client of clients) {
      asked.push(client.ask({ server_id: "queue", need_zmq: true }));
      await client.settled();
    }
    const server = await enter("server", "queue", 1);
    const grants: Grant[] = [];
    for (const request_id of asked) {
      const grant = await server.answer("pair_grant") as Grant;
      expect(grant.request_id).toBe(request_id);
      expect(server.untaken("pair_grant")).toEqual([]);
      const { client, server: back } = await joinTcp(gateway, grant);
      client.halfClose();
      back.halfClose();
      grants.push(grant);
    }
    await Promise.all([...clients, server].map((one) => one.close()));
    await gateway.allPortsIdle();
  });

  test("a request waits for a port and is woken when one is free", async () => {
    const meeting = await Meeting.of(gateway, { name: "ports" });
    const sessions = [
      await meeting.tcpSession(),
      await meeting.tcpSession(),
      await meeting.tcpSession(),
    ];
    const request_id = meeting.client.ask({ server_id: "be-ports", need_zmq: true });
    await meeting.client.settled();
    expect(meeting.client.untaken("pair_grant")).toEqual([]);
    const freed = sessions[1];
    freed.client.halfClose();
    freed.server.halfClose();
    const grant = await meeting.client.granted(request_id, woken_ms);
    expect(grant.zmq_port).toBe(freed.port);
    for (const { client } of [sessions[0], sessions[2]]) client.abort();
    await endReservations([grant]);
    await meeting.close();
    await gateway.allPortsIdle();
  });

  test("a request woken by an abort needs no second look either", async () => {
    const meeting = await Meeting.of(gateway, { name: "abort", max_conn: 1 });
    const session = await meeting.tcpSession();
    const request_id = meeting.client.ask({ server_id: "be-abort", need_zmq: true });
    await meeting.client.settled();
    expect(await gateway.portsInUse()).toBe(1);
    session.server.abort();
    await endReservations([await meeting.client.granted(request_id, woken_ms)]);
    await meeting.close();
    await gateway.allPortsIdle();
  });

  test("the first port is given back when the second pool has none", async () => {
    const meeting = await Meeting.of(gateway, { name: "undo" });
    const grant = await meeting.session("srt");
    meeting.client.ask({
      server_id: "be-undo",
      need_zmq: true,
      need_srt: true,
    });
    await meeting.client.settled();
    expect(meeting.client.untaken("pair_grant")).toEqual([]);
    const { port_state } = await gateway.statusPage();
    expect(port_state.zmq).toMatchObject({ idle: 3, reserved: 0 });
    expect(port_state.srt).toMatchObject({ idle: 0, reserved: 1 });
    expect(grant.srt_port).toBe(gateway.ports.srt.first);
    await meeting.close();
  });

  test("who leaves is forgotten, and the next in line is served", async () => {
    const [leaver, stayer] = [await enter("client", "leaver"), await enter("client", "stayer")];
    const left = leaver.ask({ server_id: "patience", need_zmq: true });
    await leaver.settled();
    const stayed = stayer.ask({ server_id: "patience", need_zmq: true });
    await stayer.settled();
    await leaver.close();
    const server = await enter("server", "patience", 1);
    const grant = await stayer.granted(stayed, woken_ms);
    expect(await server.granted(stayed)).toEqual(grant);
    expect(server.untaken("pair_grant").map((one) => (one as Grant).request_id))
      .not.toContain(left);
    await endReservations([grant]);
    await Promise.all([stayer.close(), server.close()]);
  });

  test("a client may wait for so many only; more is refused and logged", async () => {
    const client = await enter("client", "greedy");
    for (let turn = 0; turn < 5; turn++) client.ask({ server_id: "nobody", need_zmq: true });
    const over = client.ask({ server_id: "nobody", need_zmq: true });
    expect(await client.refused(over)).toMatchObject({ request_id: over, code: 504 });
    expect(client.untaken("pair_error")).toEqual([]);
    await gateway.logged("limit_reached");
    await client.close();
  });

  /** Uses each grant up, so that the next test starts with idle ports. */
  async function endReservations(grants: Grant[]): Promise<void> {
    for (const grant of grants) {
      const { client } = await joinTcp(gateway, grant);
      client.abort();
      await gateway.logged("session_stop", { session_id: grant.session_id });
    }
  }
});

describe("waiting too long", () => {
  test("ends in 505 with the request's own id", async () => {
    const gateway = await GatewayProcess.start({ settings: { limits: { pair_timeout_ms: 400 } } });
    try {
      const client = await V4Client.register({
        port: gateway.control_port,
        role: "client",
        id: "fe",
      });
      const started = performance.now();
      const request_id = client.ask({ need_zmq: true });
      expect(await client.refused(request_id)).toEqual({
        request_id,
        code: 505,
        error: "no port available",
      });
      expect(performance.now() - started).toBeGreaterThan(390);
      await client.settled();
    } finally {
      await gateway.stop();
    }
  });
});

describe("a burst", () => {
  let gateway: GatewayProcess;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({ tcp_ports: 12, srt_ports: 12 });
  });
  afterAll(() => gateway.stop());

  async function askers(count: number, name: string): Promise<V4Client[]> {
    return await Promise.all(Array.from(
      { length: count },
      (_, at) =>
        V4Client.register({ port: gateway.control_port, role: "client", id: `${name}-${at}` }),
    ));
  }

  test("beyond a server's capacity gets exactly the capacity", async () => {
    const server = await V4Client.register({
      port: gateway.control_port,
      role: "server",
      id: "small",
      max_conn: 5,
    });
    const clients = await askers(10, "burst");
    for (const client of clients) {
      for (let turn = 0; turn < 6; turn++) client.ask({ server_id: "small", need_zmq: true });
    }
    await Promise.all(clients.map((client) => client.settled()));
    const { port_state } = await gateway.statusPage();
    expect(port_state.zmq).toMatchObject({ idle: 7, reserved: 5 });
    const grants = await Promise.all(
      Array.from({ length: 5 }, () => server.answer("pair_grant")),
    ) as Grant[];
    expect(server.untaken("pair_grant")).toEqual([]);

    // All sixty are served in the end, and never more than five at once.
    const served = new Set<string>();
    const serve = async (grant: Grant) => {
      served.add(grant.request_id);
      const greeting = Uint8Array.of(1);
      const [front, back] = await Promise.all([
        joinAs(grant, "client", { behind: greeting }),
        joinAs(grant, "server", { behind: greeting }),
      ]);
      await Promise.all([front.reached(1), back.reached(1)]);
      front.halfClose();
      back.halfClose();
      await Promise.all([front.closed(), back.closed()]);
    };
    const running = grants.map(serve);
    while (running.length < 60) {
      running.push(serve(await server.answer("pair_grant") as Grant));
      const { zmq } = (await gateway.statusPage()).port_state;
      expect(zmq.reserved + zmq.occupied).toBeLessThanOrEqual(5);
    }
    await Promise.all(running);
    expect(served.size).toBe(60);
    expect(server.untaken("pair_grant")).toEqual([]);
    await Promise.all([...clients, server].map((one) => one.close()));
    await gateway.allPortsIdle();
  }, 30_000);

  test("beyond the port range gets every port once", async () => {
    const server = await V4Client.register({
      port: gateway.control_port,
      role: "server",
      id: "large",
      max_conn: 1_000,
    });
    const clients = await askers(5, "range");
    for (const client of clients) {
      for (let turn = 0; turn < 8; turn++) {
        client.ask({ server_id: "large", need_zmq: true, need_srt: true });
      }
    }
    await Promise.all(clients.map((client) => client.settled()));
    const { port_state } = await gateway.statusPage();
    expect(port_state.zmq).toMatchObject({ idle: 0, reserved: 12 });
    expect(port_state.srt).toMatchObject({ idle: 0, reserved: 12 });
    const grants = await Promise.all(
      Array.from({ length: 12 }, () => server.answer("pair_grant")),
    ) as Grant[];
    expect(new Set(grants.map(({ zmq_port }) => zmq_port)).size).toBe(12);
    expect(new Set(grants.map(({ srt_port }) => srt_port)).size).toBe(12);
    expect(server.untaken("pair_grant")).toEqual([]);
    await Promise.all([...clients, server].map((one) => one.close()));
  });
});
