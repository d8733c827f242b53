import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { turn } from "../harness/deadline.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { helloFor, joinAs, Meeting } from "../harness/meeting.ts";
import { helloLine, TcpEnd } from "../harness/tcp-end.ts";
import type { Grant } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

describe("hello over TCP", () => {
  let gateway: GatewayProcess;
  let meeting: Meeting;

  beforeAll(async () => {
    gateway = await GatewayProcess.start();
    meeting = await Meeting.of(gateway, { name: "hello" });
  });
  afterAll(async () => {
    await meeting.close();
    await gateway.stop();
  });

  /** Both honest ends meet on the grant and a word goes each way: the reservation was untouched. */
  async function honestPair(grant: Grant): Promise<void> {
    const server = await joinAs(grant, "server", { behind: Buffer.from("back") });
    const client = await joinAs(grant, "client", { behind: Buffer.from("front") });
    expect((await server.head(5)).toString()).toBe("front");
    expect((await client.head(4)).toString()).toBe("back");
    client.halfClose();
    server.halfClose();
    await Promise.all([client.closed(), server.closed()]);
    await gateway.logged("session_stop", { session_id: grant.session_id });
  }

  test("may be cut at any byte, with payload behind it in the last piece", async () => {
    const length = helloLine(helloFor(await fresh(), "client")).length;
    for (let cut = 1; cut <= length; cut++) {
      const grant = await meeting.session("zmq");
      const line = helloLine(helloFor(grant, "client"));
      const server = await joinAs(grant, "server");
      const client = await TcpEnd.connect({ port: grant.zmq_port! });
      await client.write(line.subarray(0, cut));
      await turn();
      await client.write(Buffer.concat([line.subarray(cut), Buffer.from(`payload ${cut}\n\0\n`)]));
      const wanted = `payload ${cut}\n\0\n`;
      expect((await server.head(wanted.length)).toString()).toBe(wanted);
      client.halfClose();
      server.halfClose();
      await Promise.all([client.closed(), server.closed()]);
      expect(server.received_bytes).toBe(wanted.length);
    }
  }, 60_000);

  /** A grant whose port is used up at once; only its shape is of interest. */
  async function fresh(): Promise<Grant> {
    const grant = await meeting.session("zmq");
    await honestPair(grant);
    return grant;
  }

  test("may come byte by byte", async () => {
    const grant = await meeting.session("zmq");
    const client = await TcpEnd.connect({ port: grant.zmq_port! });
    for (const byte of helloLine(helloFor(grant, "client"))) {
      await client.write(Uint8Array.of(byte));
      await turn();
    }
    await gateway.logged("client_pending", { session_id: grant.session_id });
    const server = await joinAs(grant, "server", { behind: Buffer.from("there") });
    expect((await client.head(5)).toString()).toBe("there");
    client.abort();
    await server.closed();
  });

  test("bytes behind it come first and once, from both sides, however many", async () => {
    for (const extra of [1, 100, 4_096 - 80, 4_096, 65_536, 300_000]) {
      const grant = await meeting.session("zmq");
      const up = Buffer.alloc(extra, "u");
      const down = Buffer.alloc(extra, "d");
      const client = await TcpEnd.connect({ port: grant.zmq_port! });
      // Not awaited: what the gateway does not read yet may not fit into the kernel's buffers.
      const sent = client.write(Buffer.concat([helloLine(helloFor(grant, "client")), up]));
      await gateway.logged("client_pending", { session_id: grant.session_id });
      const server = await joinAs(grant, "server", { behind: down });
      await Promise.all([sent, server.reached(extra), client.reached(extra)]);
      expect((await server.head(extra)).equals(up)).toBe(true);
      expect((await client.head(extra)).equals(down)).toBe(true);
      client.halfClose();
      server.halfClose();
      await Promise.all([client.closed(), server.closed()]);
      expect([server.received_bytes, client.received_bytes]).toEqual([extra, extra]);
    }
  });

  test("the role may be in any case, and unknown keys do not hurt", async () => {
    const grant = await meeting.session("zmq");
    const say = async (role: string) => {
      const end = await TcpEnd.connect({ port: grant.zmq_port! });
      const hello = { version: 7, role, session_id: grant.session_id, id: "whoever" };
      await end.write(`V4HELLO ${JSON.stringify(hello)}\n`);
      return end;
    };
    const server = await say("SERVER");
    const client = await say("Client");
    await client.write("ok");
    expect((await server.head(2)).toString()).toBe("ok");
    client.abort();
    await server.closed();
  });

  const line = (fields: Record<string, unknown>) => `V4HELLO ${JSON.stringify(fields)}\n`;
  const rejected: [string, (session_id: string) => string | Uint8Array][] = [
    [
      "lower case prefix",
      (session_id) => line({ role: "client", session_id, id: "a" }).replace("V4HELLO", "v4hello"),
    ],
    [
      "no space behind the prefix",
      (session_id) => line({ role: "client", session_id, id: "a" }).replace("O ", "O"),
    ],
    [
      "another version",
      (session_id) => line({ role: "client", session_id, id: "a" }).replace("V4", "V5"),
    ],
    [
      "white space before the prefix",
      (session_id) => " " + line({ role: "client", session_id, id: "a" }),
    ],
    ["only the prefix", () => "V4HELLO \n"],
    ["an empty line first", (session_id) => "\n" + line({ role: "client", session_id, id: "a" })],
    ["no JSON", () => "V4HELLO client please\n"],
    ["a JSON array", () => 'V4HELLO ["client"]\n'],
    ["JSON null", () => "V4HELLO null\n"],
    [
      "broken JSON",
      (session_id) => `V4HELLO {"role":"client","session_id":"${session_id}","id":\n`,
    ],
    ["no role", (session_id) => line({ session_id, id: "a" })],
    ["an unknown role", (session_id) => line({ role: "viewer", session_id, id: "a" })],
    ["an empty role", (session_id) => line({ role: "", session_id, id: "a" })],
    ["no session", () => line({ role: "client", id: "a" })],
    ["an empty session", () => line({ role: "client", session_id: "", id: "a" })],
    ["no id", (session_id) => line({ role: "client", session_id })],
    ["an empty id", (session_id) => line({ role: "client", session_id, id: "" })],
    ["a number for an id", (session_id) => line({ role: "client", session_id, id: 5 })],
    ["an HTTP request", () => "GET / HTTP/1.1\r\nHost: x\r\n\r\n"],
    ["a TLS greeting", () => Buffer.from("16030100c8010000c40303\n", "hex")],
    ["zeros", () => Buffer.alloc(64)],
    [
      "a line that is too long",
      (session_id) => line({ role: "client", session_id, id: "x".repeat(4_200) }),
    ],
    ["4096 bytes and more without an end", () => "V4HELLO " + "x".repeat(8_000)],
    ["invalid UTF-8", (session_id) =>
      Buffer.concat([
        Buffer.from(`V4HELLO {"role":"client","session_id":"${session_id}","id":"`),
        Buffer.from([0xff, 0xfe]),
        Buffer.from('"}\n'),
      ])],
  ];
  for (const [name, make] of rejected) {
    test(`is turned away silently: ${name}`, async () => {
      const grant = await meeting.session("zmq");
      const { session_id } = grant;
      const end = await TcpEnd.connect({ port: grant.zmq_port! });
      end.writeCarelessly(make(session_id));
      const { remote } = end;
      // A wrong start is refused as soon as it is seen or at the deadline, never later.
      await end.turnedAway(5_000);
      expect(end.received_bytes).toBe(0);
      const { port } = await gateway.logged("hello_error", { session_id, remote });
      expect(port).toBe(grant.zmq_port!);
      expect(gateway.linesOf("hello_error", { session_id }).length).toBe(1);
      await honestPair(grant);
    });
  }

  test("a line of exactly 4096 bytes is in order", async () => {
    const grant = await meeting.session("zmq");
    const bare = helloLine({ role: "client", session_id: grant.session_id, id: "" }).length;
    const hello = { role: "client", session_id: grant.session_id, id: "x".repeat(4_096 - bare) };
    const bytes = Buffer.from(`V4HELLO ${JSON.stringify(hello)}\n`);
    expect(bytes.length).toBe(4_096);
    const client = await TcpEnd.connect({ port: grant.zmq_port! });
    await client.write(Buffer.concat([bytes, Buffer.from("in order")]));
    const server = await joinAs(grant, "server");
    expect((await server.head(8)).toString()).toBe("in order");
    client.abort();
    await server.closed();
  });

  test("silence is turned away after two seconds, half a line too", async () => {
    const grant = await meeting.session("zmq");
    const { session_id } = grant;
    const started = performance.now();
    const silent = await TcpEnd.connect({ port: grant.zmq_port! });
    const half = await TcpEnd.connect({ port: grant.zmq_port! });
    await half.write("V4HELLO {");
    const drip = await TcpEnd.connect({ port: grant.zmq_port! });
    const more = setInterval(() => drip.writeCarelessly("V"), 100);
    try {
      drip.writeCarelessly("V4HELLO ");
      await Promise.all([silent, half, drip].map(async (end) => {
        const { remote } = end;
        await end.turnedAway(5_000);
        expect(performance.now() - started).toBeGreaterThan(1_800);
        expect(performance.now() - started).toBeLessThan(4_000);
        expect(end.received_bytes).toBe(0);
        await gateway.logged("hello_error", { session_id, remote });
      }));
    } finally {
      clearInterval(more);
    }
    await honestPair(grant);
  });

  test("the session must be the port's own", async () => {
    const [mine, other] = [await meeting.session("zmq"), await meeting.session("zmq")];
    for (const session_id of [other.session_id, "0000000000000000", mine.session_id + "0"]) {
      const end = await TcpEnd.join({
        port: mine.zmq_port!,
        hello: { role: "client", session_id, id: "lost" },
      });
      const { remote } = end;
      await end.turnedAway();
      expect(end.received_bytes).toBe(0);
      await gateway.logged("alloc_mismatch", { port: mine.zmq_port, remote });
    }
    await honestPair(mine);
    await honestPair(other);
  });

  for (const role of ["server", "client"] as const) {
    test(`a second ${role} is turned away while the first waits`, async () => {
      const grant = await meeting.session("zmq");
      const { session_id } = grant;
      const first = await joinAs(grant, role);
      await gateway.logged(`${role}_pending`, { session_id });
      for (let turn = 0; turn < 3; turn++) {
        const second = await joinAs(grant, role);
        const { remote } = second;
        await second.turnedAway();
        expect(second.received_bytes).toBe(0);
        await gateway.logged(`${role}_dup`, { session_id, remote });
      }
      const partner = await joinAs(grant, role === "server" ? "client" : "server");
      await partner.write("still yours");
      expect((await first.head(11)).toString()).toBe("still yours");
      first.abort();
      await partner.closed();
    });
  }

  test("whoever comes to an occupied port is turned away, and the session goes on", async () => {
    const { client, server, grant } = await meeting.tcpSession();
    const { session_id } = grant;
    for (const role of ["server", "client"] as const) {
      const late = await joinAs(grant, role);
      const { remote } = late;
      await late.turnedAway();
      expect(late.received_bytes).toBe(0);
      await gateway.logged("port_occupied", { session_id, remote });
    }
    await client.write("undisturbed");
    expect((await server.head(11)).toString()).toBe("undisturbed");
    client.abort();
    await server.closed();
  });
});
