/** The verification tools, as processes, against the gateway, as a process. */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FrontEndResult } from "../../src/tools/video/front-end.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { announcedRandom } from "../harness/random.ts";
import { Tool } from "../harness/tool.ts";

setDefaultTimeout(60_000);
const random = announcedRandom("tools");
const folder = mkdtempSync(join(tmpdir(), "relayx-tools-e2e-"));
const small_file = join(folder, "small.bin");
const large_file = join(folder, "large.bin");
writeFileSync(small_file, random.bytes(3_000_001));
writeFileSync(large_file, random.bytes(6_000_000));

const cleanups: (() => Promise<void>)[] = [];
let gateway: GatewayProcess;

function tool(...args: string[]): Tool {
  const started = new Tool(args);
  cleanups.push(() => started.kill());
  return started;
}

function at(host = "127.0.0.1", of = gateway): string[] {
  return ["-addr", `${host}:${of.control_port}`, "-token", "t0ken"];
}

async function backEnd(id: string, of = gateway): Promise<Tool> {
  const started = tool("video-be", ...at("127.0.0.1", of), "--id", id);
  await started.wrote(/"status":"registered"/);
  return started;
}

beforeAll(async () => {
  gateway = await GatewayProcess.start({
    tcp_ports: 4,
    srt_ports: 4,
    settings: { limits: { pair_timeout_ms: 500 } },
  });
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

afterAll(async () => {
  rmSync(folder, { recursive: true, force: true });
  await gateway.stop();
});

describe("tools", () => {
  test("a file over both planes: equal bytes, full report, ports back, exit 0", async () => {
    const be = await backEnd("be-both");
    const report = join(folder, "report.json");
    const fe = tool("video-fe", ...at(), "--file", small_file, "--report", report, "-rate_mbps=40");
    expect(await fe.exited()).toBe(0);
    const reports = fe.reports();
    expect(reports.map((one) => one.transport).sort()).toEqual(["srt", "zmq"]);
    for (const one of reports) {
      expect(one).toMatchObject({
        file: small_file,
        sent_frames: 46,
        sent_bytes: 3_000_001,
        echo_frames: 46,
        echo_bytes: 3_000_001,
        bytes_equal: true,
        error: null,
      });
      for (
        const figure of [
          one.rtt_ms_p50,
          one.rtt_ms_p95,
          one.rtt_ms_p99,
          one.rtt_ms_max,
          one.rtt_ms_avg,
          one.server_proc_ms_p50,
          one.goodput_mbps_up,
          one.goodput_mbps_down,
        ]
      ) expect(figure).toBeGreaterThan(0);
      expect(one.finished_at_unix_ns).toBeGreaterThan(one.started_at_unix_ns);
    }
    const srt = reports.find((one) => one.transport === "srt");
    expect(srt?.srt_loss_packets).toBeNumber();
    expect(srt?.srt_retransmitted_packets).toBeNumber();
    expect(srt?.srt_rtt_ms).toBeGreaterThan(0);
    const whole = JSON.parse(readFileSync(report, "utf8")) as FrontEndResult;
    expect(whole).toMatchObject({ ok: true, reason: null, server_id: "be-both" });
    expect(whole.transports).toEqual(reports);
    be.signal("SIGTERM");
    expect(await be.exited()).toBe(0);
    expect(be.stdout).toContain('"status":"session_stop"');
    expect(be.stdout + be.stderr + fe.stdout + fe.stderr).not.toContain("t0ken");
    await gateway.allPortsIdle();
  });

  for (const [flags, transports] of [[["-srt=false"], ["zmq"]], [["--srt"], ["srt"]]]) {
    test(`${flags} leaves ${transports}`, async () => {
      await backEnd("be-one");
      const fe = tool("video-fe", ...at(), "--file", small_file, ...flags);
      expect(await fe.exited()).toBe(0);
      expect(fe.reports().map((one) => one.transport) as string[]).toEqual(transports);
    });
  }

  test("--hello_proof: both ends prove themselves on both planes", async () => {
    await backEnd("be-proof");
    const fe = tool("video-fe", ...at(), "--file", small_file, "--hello_proof", "--rate_mbps=40");
    expect(await fe.exited()).toBe(0);
    await gateway.logged("pair_granted", { server_id: "be-proof", hello_proof: true });
  });

  test("a back end killed in the middle: exit 1, the reason, ports back", async () => {
    const be = await backEnd("be-dies");
    const fe = tool("video-fe", ...at(), "--file", large_file, "--zmq", "--rate_mbps", "16");
    await fe.wrote(/zmq sending .* echoed [1-9]/);
    be.signal("SIGKILL");
    expect(await fe.exited()).toBe(1);
    expect(fe.stderr).toMatch(/failed: zmq: .* sent frames had come back/);
    expect(fe.stderr).toContain("ports are back at the baseline");
    expect(fe.reports()[0].bytes_equal).toBe(false);
    await gateway.allPortsIdle();
  });

  test("a server that is not there: exit 1 and the gateway's word", async () => {
    await backEnd("be-present");
    const fe = tool("video-fe", ...at(), "--file", small_file, "--server_id", "be-absent");
    expect(await fe.exited()).toBe(1);
    expect(fe.stderr).toContain("505 no port available");
  });

  test("a gateway that is not there: exit 1", async () => {
    const fe = tool("video-fe", "--addr", "127.0.0.1:1", "--file", small_file);
    expect(await fe.exited()).toBe(1);
    expect(fe.stderr).toContain("ECONNREFUSED");
  });

  test("an id that is taken: exit 1 for the second back end, the first goes on", async () => {
    const first = await backEnd("be-twin");
    const second = tool("video-be", ...at(), "--id", "be-twin");
    expect(await second.exited()).toBe(1);
    expect(second.stdout).toContain("503 duplicate server id");
    const fe = tool("video-fe", ...at(), "--file", small_file, "--zmq");
    expect(await fe.exited()).toBe(0);
    first.signal("SIGINT");
    expect(await first.exited()).toBe(0);
  });

  const wrong: [string[], RegExp][] = [
    [["video-fe"], /--file/],
    [["video-fe", "--file", small_file, "--zmq=false", "--srt=false"], /at least one plane/],
    [["video-fe", "--file", small_file, "--drain", "soon"], /--drain: found "soon"; allowed/],
    [["video-fe", "--file", small_file, "--addr", "nowhere"], /--addr: found "nowhere"; allowed/],
    [["video-be", "--max", "0"], /--max: found "0"; allowed: a whole number/],
  ];
  for (const [args, message] of wrong) {
    test(`relayx ${args.filter((arg) => arg !== small_file).join(" ")} is a usage error`, async () => {
      const run = tool(...args);
      expect(await run.exited()).toBe(2);
      expect(run.stderr).toMatch(message);
    });
  }

  test("an interrupt ends the front end with 130 and its ports come back", async () => {
    await backEnd("be-interrupt");
    const fe = tool("video-fe", ...at(), "--file", large_file, "--rate_mbps", "8");
    await fe.wrote(/zmq sending/);
    fe.signal("SIGINT");
    expect(await fe.exited()).toBe(130);
    await gateway.allPortsIdle();
  });

  test("a back end outlives its gateway", async () => {
    const first = await GatewayProcess.start({ tcp_ports: 2, srt_ports: 2 });
    cleanups.push(() => first.kill());
    const addr = ["--addr", `127.0.0.1:${first.control_port}`];
    const be = tool("video-be", ...addr, "--reconnect_ivl", "20");
    await be.wrote(/"status":"registered"/);
    await first.kill();
    await be.wrote(/"status":"disconnected"/);
    const second = new GatewayProcess(first.ports, {});
    cleanups.push(() => second.kill());
    second.launch();
    await be.wrote(/"status":"registered"[^]*"status":"registered"/);
    const fe = tool("video-fe", ...addr, "--file", small_file, "--zmq");
    expect(await fe.exited()).toBe(0);
  });
});
