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
import { GatewayProcess } from "../harness/gateway-process.ts";
import { provesServing } from "../harness/meeting.ts";
import { announcedRandom } from "../harness/random.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

describe("hostile input on the control port", () => {
  let gateway: GatewayProcess;
  let proofs = 0;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({
      settings: {
        gateway: { auth_timeout: "2s" },
        limits: { unproven_max: 120, unproven_per_address_max: 40 },
      },
    });
  });
  afterAll(() => gateway.stop());
  // Alive and serving after each of them.
  afterEach(() => provesServing(gateway, { name: `control-${++proofs}` }));

  const connect = () => V4Client.connect({ port: gateway.control_port, id: "villain" });
  const registered = async () => {
    const client = await connect();
    await client.tryRegister({ role: "client", id: `villain-${proofs}`, token: "t" });
    return client;
  };
  const register = (id: string) =>
    JSON.stringify({ type: "register", payload: { role: "client", id, token: "t" } });

  const oversize: [string, string | Uint8Array][] = [
    ["a message beyond 64 KiB", `{"type":"x","payload":"${"y".repeat(70_000)}"}`],
    ["a message without an end", `{"type":"x","payload":"${"y".repeat(3_000_000)}`],
    ["nesting beyond 32", `{"type":"x","payload":${"[".repeat(33)}${"]".repeat(33)}}`],
    ["nesting without an end", '{"a":' + "[".repeat(60_000)],
    ["a tower of objects", '{"a":'.repeat(20_000)],
    ["a key beyond 64 KiB", `{"${"k".repeat(70_000)}":1}`],
    ["a number beyond 64 KiB", `{"a":${"9".repeat(70_000)}}`],
  ];
  for (const [name, bytes] of oversize) {
    test(`${name}, as the first message`, async () => {
      const before = gateway.resident_bytes;
      const client = await connect();
      client.write(bytes);
      expect(await client.answer("error")).toMatchObject({ code: 502 });
      await client.closed();
      expect(gateway.resident_bytes - before).toBeLessThan(32 * 1024 * 1024);
    });

    test(`${name}, after the register`, async () => {
      const client = await registered();
      client.write(bytes);
      expect(await client.answer("error")).toMatchObject({ code: 502 });
      await client.closed();
    });
  }

  test("64 KiB and 32 levels are still in order", async () => {
    const client = await registered();
    const pad = (length: number) => {
      const empty = JSON.stringify({ type: "pair_request", payload: { request_id: "", qos: "" } });
      const request_id = `pad-${length}`;
      const rest = length - empty.length - request_id.length;
      return JSON.stringify({
        type: "pair_request",
        payload: { request_id, qos: "q".repeat(rest) },
      });
    };
    const exact = pad(65_536);
    expect(exact.length).toBe(65_536);
    client.write(exact);
    await client.refused("pad-65536");
    const deep = "[".repeat(30) + "]".repeat(30);
    client.write(`{"type":"pair_request","payload":{"request_id":"deep","qos":${deep}}}`);
    await client.refused("deep");
    await client.close();
  });

  const poison: [string, string | Uint8Array][] = [
    [
      "invalid UTF-8",
      Buffer.concat([
        Buffer.from('{"type":"register","payload":{"role":"client","token":"t","id":"'),
        Buffer.from([0xc3, 0x28, 0xff]),
        Buffer.from('"}}'),
      ]),
    ],
    ["NUL bytes", Buffer.alloc(5_000)],
    [
      "a lone surrogate",
      '{"type":"register","payload":{"role":"client","token":"t","id":"\\ud800"}}',
    ],
    [
      "an enormous exponent",
      '{"type":"register","payload":{"role":"client","token":"t","id":"exp","max_conn":1e999999999}}',
    ],
    ["a prototype", '{"__proto__":{"type":"register"},"payload":{"__proto__":{"role":"client"}}}'],
    ["a constructor", '{"type":"constructor","payload":{"constructor":{"prototype":{"x":1}}}}'],
    ["only closers", "]]]}}}"],
    ["a TLS greeting", Buffer.from("16030101fc010001f80303aabbcc", "hex")],
    ["an SSH banner", "SSH-2.0-OpenSSH_9.2\r\n"],
    ["a JSON array", '["register"]'],
    ["a JSON string", '"register"'],
    ["a JSON number", "12345 "],
    ["JSON null", "null"],
  ];
  for (const [name, bytes] of poison) {
    test(`${name} first`, async () => {
      const end = await TcpEnd.connect({ port: gateway.control_port });
      await end.write(bytes);
      end.halfClose();
      await end.turnedAway();
    });
  }

  test("broken JSON after the register is told and ends the connection", async () => {
    for (const bytes of ['{"type":}', "nonsense", '{"type":"x" "y"}', "\0"]) {
      const client = await registered();
      await client.write(bytes);
      expect(await client.answer("error")).toMatchObject({ code: 502 });
      await client.closed();
    }
  });

  test("binary noise, before and after the register", async () => {
    const random = announcedRandom("noise on the control port");
    for (let turn = 0; turn < 60; turn++) {
      const end = await TcpEnd.connect({ port: gateway.control_port });
      if (turn % 2 === 1) await end.write(register(`noise-${turn}`));
      for (let piece = random.int(1, 4); piece > 0; piece--) {
        end.writeCarelessly(random.bytes(random.int(1, 20_000)));
      }
      if (random.next() < 0.3) end.abort();
      else {
        end.halfClose();
        await end.turnedAway();
      }
    }
  });

  const unfinished: [string, string[], number][] = [
    ["JSON by auth_timeout", ["", " ", "{", '{"type":"register"'], 4_000],
    ["HTTP by a deadline of its own", ["G", "GET /status HTTP/1.1\r\nHost: "], 15_000],
  ];
  for (const [name, starts, deadline_ms] of unfinished) {
    test(`a slow drip and a silence are cut off: ${name}`, async () => {
      const open = async (start: string) => {
        const end = await TcpEnd.connect({ port: gateway.control_port });
        if (start) await end.write(start);
        return end;
      };
      const silent = await Promise.all(starts.map(open));
      const dripping = await Promise.all(starts.map(open));
      const drip = setInterval(() => dripping.forEach((end) => end.writeCarelessly(" ")), 100);
      try {
        await Promise.all([...silent, ...dripping].map((end) => end.turnedAway(deadline_ms)));
      } finally {
        clearInterval(drip);
      }
      await gateway.statusUntil("nobody registered", ({ connections }) => connections === 0);
    });
  }

  test("a flood of silent connections from one address leaves room for the others", async () => {
    const before = gateway.open_descriptors;
    const flood = Array.from(
      { length: 200 },
      () => new TcpEnd({ port: gateway.control_port, local_address: "127.0.0.9" }),
    );
    await Promise.allSettled(flood.map((end) => end.connected()));
    await gateway.logged("limit_reached");
    // Well before auth_timeout would have cut all of them off.
    await gateway.descriptorsAtMost(before + 45, 1_500);
    await provesServing(gateway, { name: "beside-the-flood" });
    // Those that were let in are cut off by auth_timeout, and nothing stays behind.
    await Promise.all(flood.map((end) => end.turnedAway()));
    await gateway.descriptorsAtMost(before + 2);
  });

  test("floods from many addresses are bounded in all, and pass", async () => {
    const before = gateway.open_descriptors;
    const flood = Array.from(
      { length: 300 },
      (_, at) =>
        new TcpEnd({ port: gateway.control_port, local_address: `127.0.1.${1 + at % 10}` }),
    );
    await Promise.allSettled(flood.map((end) => end.connected()));
    await gateway.descriptorsAtMost(before + 125, 1_500);
    flood.forEach((end) => end.abort());
    await gateway.descriptorsAtMost(before + 2);
  });
});
