/** Relay_X v1 against the binary: registered, leased, relayed, beside V4, and hostile. */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { Meeting, provesServing } from "../harness/meeting.ts";
import { announcedRandom } from "../harness/random.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { V1Client } from "../harness/v1-client.ts";
import { startV1Gateway, V1_SECRET, v1End, type V1Gateway, v1Peer } from "../harness/v1-gateway.ts";

setDefaultTimeout(30_000);

const random = announcedRandom("relay_X v1");
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

let v1: V1Gateway;
beforeAll(async () => {
  v1 = await startV1Gateway({ others: { gateway: { auth_timeout: "2s" } } });
});
afterAll(() => v1.stop());

describe("one session after another", () => {
  test("a back end stays for the next front end, which gets nothing of the last one's", async () => {
    const [front, back] = await Promise.all([v1Peer(v1, "FE", "fe-1"), v1Peer(v1, "BE", "be-1")]);
    const port = v1.srt.last;
    const waiting = await v1End(port, "BE", "be-1");
    await back.states(({ srt_ready_ports }) => srt_ready_ports.includes(port));
    await v1.gateway.logged("server_pending", { port, id: "be-1" });
    let heard = 0;
    for (const turn of [1, 2, 3]) {
      const grant = await front.acquire({ need_srt: true });
      expect(grant.payload).toMatchObject({ srt_port: port, error: "" });
      const bytes = random.bytes(random.int(1, 300_000));
      const end = await v1End(port, "FE", `fe-${turn}`);
      await end.write(bytes);
      await front.states(({ srt_busy }) => srt_busy === 1);
      await waiting.reached(heard += bytes.length);
      const answer = random.bytes(random.int(1, 300_000));
      await waiting.write(answer);
      await end.reached(answer.length);
      const ready = front.air.upcoming(
        "ready again",
        ({ type, payload }) => type === "port_state" && payload.srt_ready_ports.includes(port),
      );
      end.halfClose();
      expect(await end.ended()).toBe(sha256(answer));
      await ready;
    }
    waiting.abort();
    await front.air.upcoming(
      "empty again",
      ({ type, payload }) => type === "port_state" && payload.srt_empty_ports.includes(port),
    );
    const stops = () => v1.gateway.linesOf("session_stop", { port });
    await v1.gateway.log.see("the end of all three", () => stops().length === 3);
    expect(stops().map(({ reason }) => reason)).toEqual(["finished", "finished", "finished"]);
    await Promise.all([front.close(), back.close()]);
  });

  test("a front end comes to nobody, a second one to a busy port, and neither gets in", async () => {
    const port = v1.srt.first;
    await (await v1End(port, "FE", "alone")).turnedAway();
    await v1.gateway.logged("no_server", { port });
    const back = await v1End(port, "BE", "be");
    await v1.gateway.logged("server_pending", { port });
    const front = await v1End(port, "FE", "first");
    await v1.gateway.logged("paired", { port });
    await (await v1End(port, "FE", "second")).turnedAway();
    await v1.gateway.logged("port_occupied", { port, code: "PORT_BUSY" });
    await front.write("still here");
    await back.reached(10);
    front.abort();
    back.abort();
    await v1.gateway.logged("session_stop", { port });
  });
});

test("100 front ends against 100 back ends at once, beside V4, each byte right", async () => {
  const { gateway, zmq, srt } = v1;
  const count = 100;
  const ports = [
    ...Array.from({ length: 96 }, (_, i) => zmq.first + i),
    ...Array.from({ length: 4 }, (_, i) => srt.first + i),
  ];
  const ended_before = gateway.linesOf("session_stop", { reason: "finished" }).length;
  const numbers = Array.from({ length: count }, (_, i) => i);
  const backs = await Promise.all(numbers.map((i) => v1Peer(v1, "BE", `be-${i}`)));
  const fronts = await Promise.all(numbers.map((i) => v1Peer(v1, "FE", `fe-${i}`)));
  const meeting = await Meeting.of(gateway, { name: "beside" });
  const waiting = await Promise.all(ports.map((port, i) => v1End(port, "BE", `be-${i}`)));
  await fronts[0].states((state) =>
    state.zmq_ready_ports.length === 96 && state.srt_ready_ports.length === 4
  );
  const v4 = await meeting.tcpSession();
  const grants = await Promise.all(
    fronts.map((front, i) => front.acquire(i < 96 ? { need_zmq: true } : { need_srt: true })),
  );
  const granted = grants.map(({ payload }) => payload.zmq_port ?? payload.srt_port);
  expect(new Set(granted)).toEqual(new Set(ports));
  await Promise.all(granted.map(async (port, i) => {
    const up = random.bytes(random.int(1, 100_000));
    const down = random.bytes(random.int(1, 100_000));
    const back = waiting[ports.indexOf(port)];
    const front = await v1End(port, "FE", `fe-${i}`);
    await Promise.all([front.write(up), back.write(down)]);
    await Promise.all([front.reached(down.length), back.reached(up.length)]);
    expect([front.digest(), back.digest()]).toEqual([sha256(down), sha256(up)]);
    front.halfClose();
    await front.ended();
  }));
  await v4.client.write("beside");
  await v4.server.reached(6);
  const ends = () => gateway.linesOf("session_stop", { reason: "finished" }).length - ended_before;
  await gateway.log.see("the end of every session", () => ends() >= count);
  // Neither generation has heard of the other.
  const types = new Set([...fronts, ...backs].flatMap(({ all }) => all.map(({ type }) => type)));
  expect([...types].sort()).toEqual(["auth", "log", "port_alloc", "port_grant", "port_state"]);
  for (const end of waiting) end.abort();
  await Promise.all([...fronts, ...backs].map((client) => client.close()));
  await meeting.close();
});

describe("hostile input", () => {
  let proofs = 0;
  // Alive and serving after each of them, both generations.
  afterEach(async () => {
    await provesServing(v1.gateway, { name: `v1-${++proofs}` });
    await (await v1Peer(v1, "FE", `proof-${proofs}`)).close();
  });

  const register = JSON.stringify({
    type: "register",
    payload: { role: "FE", secret: V1_SECRET, client_id: "villain" },
  });

  test("what is too long, too deep or no message ends the connection, with nothing of v1", async () => {
    const poison: (string | Uint8Array)[] = [
      `{"type":"x","payload":"${"y".repeat(70_000)}"}`,
      `{"type":"x","payload":${"[".repeat(33)}${"]".repeat(33)}}`,
      '{"a":'.repeat(20_000),
      '{"type":}',
      '["register"]',
      Buffer.from([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x3a, 0x31, 0x7d]),
      Buffer.alloc(5000),
      "GET / HTTP/1.1\r\n\r\n",
    ];
    for (const bytes of poison) {
      for (const first of ["", register]) {
        const client = await V1Client.connect({ port: v1.gateway.control_port });
        if (first !== "") {
          client.write(first);
          await client.next("auth");
        } else if (typeof bytes === "string" && bytes.startsWith("GET")) {
          client.destroy();
          continue;
        }
        client.write(bytes);
        await client.ended();
        const told = client.all.map(({ type }) => type);
        if (first === "") expect(told.filter((type) => type !== "error")).toEqual([]);
        else expect(told).not.toContain("error");
      }
    }
  });

  test("messages of every wrong shape change nothing", async () => {
    const client = await v1Peer(v1, "FE", "fuzz");
    const types = [
      "port_acquire",
      "port_release",
      "port_state_q",
      "ping",
      "port_alloc",
      "log",
      "auth",
    ];
    const values = [
      null,
      5,
      "x",
      [],
      {},
      true,
      [[[]]],
      { need_zmq: {} },
      { c_send: -1 },
      {
        session_id: 5,
      },
      { __proto__: { need_zmq: true } },
      { need_zmq: true, ttl_seconds: 1e300 },
    ];
    for (let turn = 0; turn < 300; turn++) {
      const type = types[random.int(0, types.length - 1)];
      client.send(type, values[random.int(0, values.length - 1)], {
        trace_id: values[random.int(0, values.length - 1)],
        msg_id: "m".repeat(random.int(0, 300)),
      });
    }
    await client.settled();
    for (const { payload } of client.all.filter(({ type }) => type === "port_grant")) {
      expect(payload.session_id).toBe("");
    }
    await client.close();
  });

  test("noise, halves and silence on the control port and on a data port", async () => {
    const data = v1.zmq.first;
    for (let turn = 0; turn < 40; turn++) {
      const port = turn % 2 === 0 ? v1.gateway.control_port : data;
      const end = await TcpEnd.connect({ port });
      if (turn % 4 === 0) await end.write(register.slice(0, random.int(0, register.length)));
      if (turn % 4 === 1) await end.write("RLX1HELLO ".slice(0, random.int(0, 10)));
      end.writeCarelessly(random.bytes(random.int(1, 5000)));
      if (random.next() < 0.5) end.abort();
      else {
        end.halfClose();
        await end.turnedAway();
      }
    }
    const hellos = [
      'RLX1HELLO {"role":"fe"}\n',
      'RLX1HELLO {"role":"FE"\n',
      'rlx1hello {"role":"BE"}\n',
      'V4HELLO {"role":"server","session_id":"x","id":"y"}\n',
      `RLX1HELLO {"role":"BE","client_id":"${"x".repeat(5000)}"}\n`,
    ];
    for (const hello of hellos) {
      const end = await TcpEnd.connect({ port: data });
      await end.write(hello);
      await end.turnedAway();
    }
    await v1.gateway.logged("hello_error", { port: data, code: "HELLO_INVALID" });
  });

  test("the silent and the slow are cut off, and a reader that stops costs no memory", async () => {
    const before = v1.gateway.resident_bytes;
    const silent = await TcpEnd.connect({ port: v1.gateway.control_port });
    const half = await TcpEnd.connect({ port: v1.gateway.control_port });
    await half.write('{"type":"register","payl');
    const deaf = await v1Peer(v1, "FE", "deaf");
    deaf.pause();
    const line = JSON.stringify({ type: "port_state_q" }).repeat(100);
    const flood = setInterval(() => deaf.write(line), 1);
    try {
      await v1.gateway.logged("limit_reached", { id: "deaf", limit: "control_queue_bytes_max" });
    } finally {
      clearInterval(flood);
    }
    await Promise.all([silent.turnedAway(), half.turnedAway()]);
    expect(v1.gateway.resident_bytes - before).toBeLessThan(96 * 1024 * 1024);
    deaf.destroy();
  });
});
