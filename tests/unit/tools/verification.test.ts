import { afterEach, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import type { Log, LogFields } from "../../../src/observe/log.ts";
import { BackEnd } from "../../../src/tools/video/back-end.ts";
import { FrontEnd, type FrontEndOptions } from "../../../src/tools/video/front-end.ts";
import { FakeGateway, type FakeGatewayOptions } from "./fake-gateway.ts";

/** Lines in memory that can be waited for. */
class TestLog implements Log {
  readonly lines: LogFields[] = [];
  readonly #waiting: { status: string; resolve: (line: LogFields) => void }[] = [];

  debug = (fields: LogFields) => this.#add(fields);
  info = (fields: LogFields) => this.#add(fields);
  warn = (fields: LogFields) => this.#add(fields);
  error = (fields: LogFields) => this.#add(fields);
  close = () => Promise.resolve();

  next(status: string): Promise<LogFields> {
    return new Promise((resolve) => this.#waiting.push({ status, resolve }));
  }

  #add(fields: LogFields): void {
    this.lines.push(fields);
    for (const waiting of this.#waiting.splice(0)) {
      if (waiting.status === fields.status) waiting.resolve(fields);
      else this.#waiting.push(waiting);
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), "relayx-tools-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function fileOf(bytes: number): string {
  const path = join(folder, `${bytes}.bin`);
  writeFileSync(path, randomBytes(bytes));
  return path;
}

async function gatewayWith(options: FakeGatewayOptions = {}): Promise<FakeGateway> {
  const gateway = new FakeGateway(options);
  await gateway.start();
  cleanups.push(() => gateway.close());
  return gateway;
}

async function backEndAt(gateway: FakeGateway): Promise<{ log: TestLog; backEnd: BackEnd }> {
  const log = new TestLog();
  const backEnd = new BackEnd({
    host: "127.0.0.1",
    port: gateway.port,
    id: "be",
    token: "secret-of-the-back-end",
    max_conn: 4,
    payload_bytes_max: 1024 * 1024,
    reconnect_interval_ms: 5,
    log,
  });
  cleanups.push(() => backEnd.close());
  await backEnd.start();
  return { log, backEnd };
}

function frontEnd(gateway: FakeGateway, options: Partial<FrontEndOptions> = {}): FrontEnd {
  return new FrontEnd({
    host: "127.0.0.1",
    port: gateway.port,
    id: "fe",
    token: "t",
    file: fileOf(300_000),
    chunk_bytes: 64 * 1024,
    payload_bytes_max: 1024 * 1024,
    zmq: true,
    srt: false,
    rate_mbps: 0,
    delay_ms: 0,
    jitter_ms: 0,
    drop_pct: 0,
    drain_ms: 500,
    wait_release_ms: 1000,
    wait_grant_ms: 2000,
    reconnect_interval_ms: 5,
    keep_samples: false,
    signal: new AbortController().signal,
    note: () => {},
    progress: { rewrite: false, write: () => {} },
    ...options,
  });
}

describe("verification over TCP", () => {
  test("every byte comes back, ports too", async () => {
    const gateway = await gatewayWith();
    const { log } = await backEndAt(gateway);
    const over = log.next("session_stop");
    const file = fileOf(8_000_001);
    const result = await frontEnd(gateway, { file, keep_samples: true }).run();
    expect(result).toMatchObject({ ok: true, reason: null, server_id: "be", ports_released: true });
    expect(result.transports).toHaveLength(1);
    const [report] = result.transports;
    expect(report).toMatchObject({
      transport: "zmq",
      sent_frames: 123,
      echo_frames: 123,
      sent_bytes: 8_000_001,
      echo_bytes: 8_000_001,
      bytes_equal: true,
      error: null,
    });
    expect(report.rtt_ms_samples).toHaveLength(123);
    expect(report.sha256_echoed).toBe(
      new Bun.CryptoHasher("sha256").update(await Bun.file(file).bytes()).digest("hex"),
    );
    expect(await over).toMatchObject({ frames: 123, bytes: 8_000_001, corrupt_frames: 0 });
    expect(JSON.stringify(log.lines)).not.toContain("secret-of-the-back-end");
  });

  test("frames left out on purpose are counted", async () => {
    const gateway = await gatewayWith();
    await backEndAt(gateway);
    const result = await frontEnd(gateway, { chunk_bytes: 1024, drop_pct: 50 }).run();
    expect(result.ok).toBe(true);
    const [report] = result.transports;
    expect(report.dropped_frames).toBeGreaterThan(0);
    expect(report.dropped_frames + report.sent_frames).toBe(293);
  });

  test("a rate is kept", async () => {
    const gateway = await gatewayWith();
    await backEndAt(gateway);
    const result = await frontEnd(gateway, { chunk_bytes: 4096, rate_mbps: 8 }).run();
    expect(result.ok).toBe(true);
    expect(result.transports[0].goodput_mbps_up).toBeGreaterThan(5);
    expect(result.transports[0].goodput_mbps_up).toBeLessThan(8.8);
  });

  test("a byte changed on the way is found", async () => {
    let seen = 0;
    const gateway = await gatewayWith({
      down: (bytes) => {
        const at = 150_000 - seen;
        seen += bytes.length;
        if (at >= 0 && at < bytes.length) bytes[at] ^= 1;
        return bytes;
      },
    });
    await backEndAt(gateway);
    const result = await frontEnd(gateway).run();
    expect(result.ok).toBe(false);
    expect(result.reason).toContain("not equal");
    expect(result.transports[0]).toMatchObject({ corrupt_frames: 1, bytes_equal: false });
  });

  test("an echo that never comes is missed", async () => {
    // The answer to the first ping, 48 bytes, comes through and nothing behind it, however the
    // stream is cut.
    let left = 48;
    const gateway = await gatewayWith({
      down: (bytes) => {
        const through = bytes.subarray(0, left);
        left -= through.length;
        return through;
      },
    });
    await backEndAt(gateway);
    const result = await frontEnd(gateway, { drain_ms: 50 }).run();
    expect(result.ok).toBe(false);
    expect(result.reason).toContain("0 of 5 frames came back");
    expect(result.ports_released).toBe(true);
  });

  test("a back end that dies in the middle", async () => {
    const gateway = await gatewayWith({
      down: (bytes, _client, server) => {
        if (bytes.length > 48) server.resetAndDestroy();
        return bytes;
      },
    });
    await backEndAt(gateway);
    const result = await frontEnd(gateway, { file: fileOf(4_000_000) }).run();
    expect(result.ok).toBe(false);
    expect(result.reason).toMatch(
      /zmq: (the connection broke|the other end finished).* sent frames had come back/,
    );
  });

  test("ports that do not come back", async () => {
    const gateway = await gatewayWith({ frees_ports: false });
    await backEndAt(gateway);
    const result = await frontEnd(gateway, { wait_release_ms: 50 }).run();
    expect(result).toMatchObject({ ok: false, ports_released: false });
    expect(result.transports[0].bytes_equal).toBe(true);
    expect(result.reason).toContain("7 idle");
  });

  test("no server", async () => {
    const gateway = await gatewayWith();
    await expect(frontEnd(gateway).run()).rejects.toThrow("505 no port available");
  });

  test("a refused registration is final", async () => {
    const gateway = await gatewayWith({
      register: () => ({ code: 503, error: "503 duplicate client id" }),
    });
    await expect(frontEnd(gateway).run()).rejects.toThrow("503 duplicate client id");
  });

  test("a gateway that speaks something else", async () => {
    const gateway = await gatewayWith({
      pair: () => {
        gateway.say("HTTP/1.1 400 Bad Request\r\n");
        return null;
      },
    });
    await expect(frontEnd(gateway).run()).rejects.toThrow("the gateway sent something else");
  });

  test("files that cannot be sent", async () => {
    const gateway = await gatewayWith();
    await expect(frontEnd(gateway, { file: join(folder, "none") }).run()).rejects.toThrow("ENOENT");
    await expect(frontEnd(gateway, { file: fileOf(0) }).run()).rejects.toThrow("is empty");
  });

  test("an interrupt ends the run", async () => {
    const gateway = await gatewayWith();
    const { log } = await backEndAt(gateway);
    const interrupt = new AbortController();
    const connected = log.next("server_pending");
    const run = frontEnd(gateway, { rate_mbps: 0.1, signal: interrupt.signal }).run();
    await connected;
    interrupt.abort(new Error("interrupted"));
    const result = await run;
    expect(result.ok).toBe(false);
    expect(result.reason).toContain("interrupted");
  });
});

describe("back end", () => {
  test("comes back after its control connection broke, sessions go on", async () => {
    const gateway = await gatewayWith();
    const { log } = await backEndAt(gateway);
    const connected = log.next("server_pending");
    const run = frontEnd(gateway, { chunk_bytes: 4096, rate_mbps: 8 }).run();
    await connected;
    const again = gateway.registered("be");
    const lost = log.next("disconnected");
    gateway.cut("be");
    await lost;
    await again;
    expect((await run).ok).toBe(true);
    expect((await frontEnd(gateway).run()).ok).toBe(true);
  });

  test("a front end that loses its control connection still sees the ports come back", async () => {
    const gateway = await gatewayWith();
    const { log } = await backEndAt(gateway);
    const connected = log.next("server_pending");
    const run = frontEnd(gateway, { chunk_bytes: 4096, rate_mbps: 8 }).run();
    await connected;
    gateway.cut("fe");
    expect((await run).ok).toBe(true);
  });

  test("a gateway that starts later is waited for", async () => {
    const late = new FakeGateway();
    await late.start();
    const { port } = late;
    await late.close();
    const log = new TestLog();
    const failed = log.next("control_error");
    const backEnd = new BackEnd({
      host: "127.0.0.1",
      port,
      id: "be",
      token: "t",
      max_conn: 1,
      payload_bytes_max: 1024,
      reconnect_interval_ms: 5,
      log,
    });
    cleanups.push(() => backEnd.close());
    const started = backEnd.start();
    expect(await failed).toMatchObject({ code: "CONTROL_UNREACHABLE" });
    const gateway = new FakeGateway();
    await gateway.start(port);
    cleanups.push(() => gateway.close());
    await started;
  });

  const hostile: [string, Uint8Array, string][] = [
    ["noise", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "FRAME_MAGIC"],
    [
      "a frame over the bound",
      Buffer.from("5634565401010000" + "00".repeat(36) + "7fffffff", "hex"),
      "FRAME_TOO_LONG",
    ],
  ];
  for (const [name, bytes, code] of hostile) {
    test(`${name} costs that session alone`, async () => {
      const gateway = await gatewayWith();
      const { log, backEnd } = await backEndAt(gateway);
      const connected = log.next("server_pending");
      const run = frontEnd(gateway, { chunk_bytes: 4096, rate_mbps: 8 }).run();
      await connected;
      const over = log.next("session_stop");
      const granted = log.next("pair_granted");
      const evil = connect(gateway.port, "127.0.0.1");
      cleanups.push(() => evil.destroy());
      evil.write('{"type":"register","payload":{"role":"client","id":"evil","token":"t"}}\n');
      evil.write('{"type":"pair_request","payload":{"request_id":"1","need_zmq":true}}\n');
      const { zmq_port, session_id } = await granted;
      const data = connect(Number(zmq_port), "127.0.0.1");
      data.on("error", () => {});
      cleanups.push(() => data.destroy());
      data.write(`V4HELLO {"role":"client","session_id":"${session_id}","id":"evil"}\n`);
      data.write(bytes);
      expect(await over).toMatchObject({ session_id, code });
      expect(backEnd.snapshot().sessions).toBe(1);
      expect((await run).ok).toBe(true);
    });
  }
});
