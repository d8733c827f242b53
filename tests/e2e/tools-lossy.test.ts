/** The verification tools over a path that loses packets; live SRT needs the machine for itself. */
import { afterAll, afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { LossyPath } from "../harness/lossy-path.ts";
import { announcedRandom } from "../harness/random.ts";
import { Tool } from "../harness/tool.ts";

setDefaultTimeout(60_000);
const random = announcedRandom("tools-lossy");
const folder = mkdtempSync(join(tmpdir(), "relayx-tools-e2e-"));
const file = join(folder, "large.bin");
writeFileSync(file, random.bytes(6_000_000));

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A gateway with a back end, and a front end that sends the file over a path to them. */
async function sendOver({ latency }: { latency: number }) {
  const gateway = await GatewayProcess.start({
    tcp_ports: 1,
    srt_ports: 1,
    settings: { gosrt: { latency } },
  });
  cleanups.push(() => gateway.kill());
  const tool = (name: string, host: string, ...args: string[]) => {
    const address = ["-addr", `${host}:${gateway.control_port}`, "-token", "t0ken"];
    const started = new Tool([name, ...address, ...args]);
    cleanups.push(() => started.kill());
    return started;
  };
  const be = tool("video-be", "127.0.0.1", "--id", "be-lossy");
  await be.wrote(/"status":"registered"/);
  const { ports } = gateway;
  const path = new LossyPath({ host: "127.0.0.2", target: "127.0.0.1", ports, random });
  await path.start();
  cleanups.push(() => path.close());
  const fe = tool("video-fe", "127.0.0.2", "--file", file, "--srt", "--rate_mbps", "16");
  return { be, fe, path };
}

test("what SRT repairs is counted, and every byte comes back", async () => {
  // Time enough to repair even when this machine is busy: the larger latency of both ends counts.
  const { fe, path } = await sendOver({ latency: 500 });
  // Not from the start: until libsrt has measured the round trip, it asks again too late.
  await fe.wrote(/srt sending /);
  path.loss = 0.01;
  expect(await fe.exited()).toBe(0);
  const [report] = fe.reports();
  expect(report.bytes_equal).toBe(true);
  expect(report.srt_loss_packets).toBeGreaterThan(0);
  expect(report.srt_retransmitted_packets).toBeGreaterThan(0);
});

test("what SRT gives up is not hidden", async () => {
  const { be, fe, path } = await sendOver({ latency: 120 });
  await fe.wrote(/srt sending .* echoed [1-9]/);
  path.dropNext(3000);
  expect(await fe.exited()).toBe(1);
  const [report] = fe.reports();
  expect(report.bytes_equal).toBe(false);
  expect(report.sent_bytes).toBe(6_000_000);
  expect(report.echo_frames).toBeLessThan(report.sent_frames);
  expect(report.echo_frames).toBeGreaterThan(0);
  expect(report.error).toMatch(/of 92 frames came back/);
  // The back end was not thrown by the hole either: frames after the outage came back.
  await be.wrote(/"status":"session_stop"/);
  // What was too old when the path was back is dropped by its sender, and nobody asks for it again:
  // libsrt then counts no loss at all.
  const { srt_loss_packets: lost = 0, srt_dropped_packets: dropped = 0 } = report;
  expect(lost + dropped).toBeGreaterThan(0);
});
