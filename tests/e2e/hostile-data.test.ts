import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { carry, joinAs, Meeting, provesServing } from "../harness/meeting.ts";
import { announcedRandom } from "../harness/random.ts";
import { TcpEnd } from "../harness/tcp-end.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

describe("hostile input on a TCP data port", () => {
  let gateway: GatewayProcess;
  let meeting: Meeting;
  let proofs = 0;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({
      settings: { limits: { unproven_max: 120, unproven_per_address_max: 40 } },
    });
    meeting = await Meeting.of(gateway, { name: "hostile" });
    // The first session opens what the gateway keeps for the next ones.
    await provesServing(gateway, { name: "warm-up" });
  });
  afterAll(async () => {
    await meeting.close();
    await gateway.stop();
  });
  afterEach(() => provesServing(gateway, { name: `data-${++proofs}` }));

  test("a flood of silent connections does not keep an honest pair out", async () => {
    const grant = await meeting.session("zmq");
    const before = gateway.open_descriptors;
    const flood = Array.from(
      { length: 200 },
      () => new TcpEnd({ port: grant.zmq_port!, local_address: "127.0.0.9" }),
    );
    await Promise.allSettled(flood.map((end) => end.connected()));
    await gateway.logged("limit_reached", { port: grant.zmq_port });
    await gateway.descriptorsAtMost(before + 45, 1_500);
    const server = await joinAs(grant, "server");
    const client = await joinAs(grant, "client");
    const { sent, received } = await carry({ from: client, to: server, total_bytes: 1_000_000 });
    expect(received).toBe(sent);
    await Promise.all(flood.map((end) => end.turnedAway().catch(() => {})));
    client.halfClose();
    server.halfClose();
    await Promise.all([client.closed(), server.closed()]);
    await gateway.logged("session_stop", { session_id: grant.session_id });
    await gateway.descriptorsAtMost(before);
  });

  test("connections that come and go at once, by the thousand", async () => {
    const grant = await meeting.session("zmq");
    const before = gateway.open_descriptors;
    for (let round = 0; round < 20; round++) {
      const ends = Array.from(
        { length: 100 },
        () => new TcpEnd({ port: grant.zmq_port!, local_address: "127.0.0.9" }),
      );
      await Promise.allSettled(ends.map((end) => end.connected()));
      ends.forEach((end, at) => at % 2 === 0 ? end.abort() : end.destroy());
    }
    // Destroyed ones end in order without a hello, the others with a reset; none may stay.
    const server = await joinAs(grant, "server");
    const client = await joinAs(grant, "client");
    await client.write("through");
    expect((await server.head(7)).toString()).toBe("through");
    client.halfClose();
    server.halfClose();
    await Promise.all([client.closed(), server.closed()]);
    await gateway.logged("session_stop", { session_id: grant.session_id });
    await gateway.descriptorsAtMost(before);
  });

  test("binary noise instead of a hello", async () => {
    const random = announcedRandom("noise on a data port");
    const grant = await meeting.session("zmq");
    for (let turn = 0; turn < 100; turn++) {
      const end = await TcpEnd.connect({ port: grant.zmq_port! });
      end.writeCarelessly(random.bytes(random.int(1, 9_000)));
      end.halfClose();
      await end.turnedAway();
      expect(end.received_bytes).toBe(0);
    }
    const server = await joinAs(grant, "server");
    const client = await joinAs(grant, "client");
    await server.write("unharmed");
    expect((await client.head(8)).toString()).toBe("unharmed");
    client.abort();
    await server.closed();
  });

  test("guessing session ids gets nobody in", async () => {
    const random = announcedRandom("guessed session ids");
    const grant = await meeting.session("zmq");
    for (let turn = 0; turn < 100; turn++) {
      const session_id = random.bytes(8).toString("hex");
      const end = await TcpEnd.join({
        port: grant.zmq_port!,
        hello: { role: "server", session_id, id: "guess" },
      });
      await end.turnedAway();
    }
    await gateway.log.see(
      "100 mismatches",
      () => gateway.linesOf("alloc_mismatch", { port: grant.zmq_port }).length >= 99,
    );
    const server = await joinAs(grant, "server");
    await gateway.logged("server_pending", { session_id: grant.session_id });
    server.abort();
  });
});
