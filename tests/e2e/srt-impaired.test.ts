/** A session over a network that loses, delays and reorders, and over one that is gone for a second. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { ImpairedPath, type ImpairedPathOptions } from "../harness/impaired-path.ts";
import { Meeting } from "../harness/meeting.ts";
import { announcedRandom } from "../harness/random.ts";
import { type SrtEnd, SrtThread } from "../harness/srt-end.ts";
import { joinSrtAs, type SrtSession } from "../harness/srt-meeting.ts";
import type { Telemetry } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(60_000);

const near_host = "127.0.0.2";
const message_bytes = 1316;
const rtt_ms = 20;
/** Thirty round trips: enough for a packet to be lost again and again, also on a busy machine. */
const latency_ms = 600;
const outage_ms = 1000;
/** A clock tick of /proc/…/stat, milliseconds; the kernel's USER_HZ is 100 everywhere. */
const tick_ms = 10;

const random = announcedRandom("impaired path");
let gateway: GatewayProcess;
let thread: SrtThread;
let meeting: Meeting;

beforeAll(async () => {
  gateway = await GatewayProcess.start({
    tcp_ports: 1,
    srt_ports: 2,
    settings: { gosrt: { latency: latency_ms } },
  });
  thread = await SrtThread.start();
  meeting = await Meeting.of(gateway, { name: "impaired" });
});
afterAll(async () => {
  await meeting.close();
  await thread.close();
  await gateway.stop();
});

/** A session whose client comes through a path that takes its time and loses nothing yet. */
async function joinThroughPath({ quiet, impairment }: {
  /** Whether the ends only count what arrives. */
  quiet: boolean;
  impairment?: ImpairedPathOptions["impairment"];
}): Promise<SrtSession & { path: ImpairedPath }> {
  const grant = await meeting.session("srt");
  const path = new ImpairedPath({
    host: near_host,
    target: "127.0.0.1",
    port: grant.srt_port!,
    seed: random.int(0, 2 ** 32 - 1),
    rtt_ms,
    impairment,
  });
  await path.start();
  const server = await joinSrtAs(thread, grant, "server", { latency_ms, quiet });
  const client = await joinSrtAs(thread, grant, "client", {
    host: near_host,
    latency_ms,
    quiet,
  });
  await gateway.logged("paired", { session_id: grant.session_id });
  return { grant, client, server, path };
}

async function end({ grant, client, server, path }: SrtSession & { path: ImpairedPath }) {
  await client.close();
  await server.closed();
  await gateway.logged("session_stop", { session_id: grant.session_id });
  await path.close();
}

test("a stream arrives whole although one packet in twenty is lost", async () => {
  const session = await joinThroughPath({
    quiet: true,
    impairment: { jitter_ms: 4, duplicates: 0.01 },
  });
  const { client, server, path } = session;
  const messages = 3000;
  const pour = client.pour({ messages, message_bytes, mbps: 8 });
  // Losses from here on: until libsrt has measured the round trip, it asks again too late.
  await server.reached(200 * message_bytes);
  path.loss = 0.05;
  // And none at the end: a packet that is lost is missed by the receiver when the next one comes, so
  // libsrt repairs the very last one only if something follows.
  await server.reached(1500 * message_bytes);
  path.loss = 0;
  const [sent, arrived] = await Promise.all([pour, server.reached(messages * message_bytes)]);
  const { toward, back } = path;
  console.log("impaired path:", JSON.stringify({ toward: toward.counts, back: back.counts }));
  expect(arrived).toMatchObject({ messages, sha256: sent });
  expect(toward.counts.lost).toBeGreaterThan(0);
  expect(back.counts.lost).toBeGreaterThan(0);
  expect(toward.counts.reordered).toBeGreaterThan(0);
  expect(toward.counts.duplicated).toBeGreaterThan(0);
  expect(toward.counts.overflowed + back.counts.overflowed).toBe(0);
  await end(session);
});

test("a session survives an outage, which telemetry finds in the network, and goes on", async () => {
  const session = await joinThroughPath({ quiet: false });
  const { grant, client, server, path } = session;
  const heard: string[] = [];
  const told = (wanted: string) =>
    meeting.client.telemetry((rows) =>
      rows.some((row: Telemetry & { bottleneck_up?: string }) => {
        if (row.session_id !== grant.session_id) return false;
        heard.push(`${row.bottleneck_up} (${row.mbps_up} Mbit/s, ${row.loss_pct} % lost)`);
        return row.bottleneck_up === wanted;
      })
    );
  const pouring = new AbortController();
  const poured = pourUntil(client, pouring.signal);
  try {
    await told("sender");

    const quiet = await cpuWhile(() => timePasses(outage_ms));
    const blamed = told("network_in");
    path.outage = true;
    const dark = await cpuWhile(() => timePasses(outage_ms));
    path.outage = false;
    console.log(`outage: CPU of the gateway before ${words(quiet)}, meanwhile ${words(dark)}`);
    // A thread that spins takes a core; this session of 5 Mbit/s takes a few percent of one.
    expect(dark.cpu_ms).toBeLessThan(2 * quiet.cpu_ms + 0.4 * dark.took_ms);
    await blamed;
    expect(gateway.linesOf("session_stop", { session_id: grant.session_id })).toEqual([]);

    await told("sender");
  } finally {
    console.log(`outage: telemetry said ${heard.join(", ")}`);
    pouring.abort();
    await poured;
  }
  // What was too old to be sent again is missing; what is sent now is not.
  client.send("after the outage");
  await server.events.see(
    "the message after the outage",
    (event) =>
      event.type === "message" && Buffer.from(event.bytes).toString() === "after the outage",
  );
  await end(session);
});

/** 5 Mbit/s in pieces of a tenth of a second, until it is told to stop. */
async function pourUntil(end: SrtEnd, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) await end.pour({ messages: 50, message_bytes, mbps: 5 });
}

interface Cpu {
  cpu_ms: number;
  took_ms: number;
}

async function cpuWhile(work: () => Promise<void>): Promise<Cpu> {
  const [cpu_ms, from_ms] = [cpuMs(gateway.pid), performance.now()];
  await work();
  return { cpu_ms: cpuMs(gateway.pid) - cpu_ms, took_ms: performance.now() - from_ms };
}

/** CPU time that all threads of a process have used so far. */
function cpuMs(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, "latin1");
  // The name in brackets may hold anything; user and system time are the 12th and 13th behind it.
  const columns = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return (Number(columns[11]) + Number(columns[12])) * tick_ms;
}

function words({ cpu_ms, took_ms }: Cpu): string {
  return `${cpu_ms} of ${Math.round(took_ms)} ms`;
}

/** An outage is a stretch of time; nothing is proved by its end. */
function timePasses(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
