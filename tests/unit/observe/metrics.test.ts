import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { LoopLag } from "../../../src/observe/loop-lag.ts";
import { HELLO_FAILURES } from "../../../src/observe/metric-events.ts";
import type { Readings } from "../../../src/observe/metric-readings.ts";
import { Metrics } from "../../../src/observe/metrics.ts";
import { readProcessFigures } from "../../../src/observe/process-figures.ts";
import { RisingTotal } from "../../../src/observe/rising-total.ts";
import { SetupTimes } from "../../../src/observe/setup-times.ts";
import { StatusCounts } from "../../../src/observe/status-counts.ts";
import { MetricsText } from "../../harness/metrics-text.ts";

const COUNTS = { idle: 3, reserved: 1, occupied: 2, blocked: 0 };

function readings(counts: StatusCounts = new StatusCounts()): Readings {
  return {
    version: '1.2.3"\\\n',
    protocol: "1.4",
    runtime: "Test 1",
    state: "Running",
    started_at_unix_ms: 1_700_000_000_000,
    connections: { registered: 2, unproven: 1, open: 4 },
    registrations: { client: 1, server: 1 },
    sessions: 5,
    waiting_requests: 6,
    bans: 7,
    port_state: { zmq: COUNTS, srt: COUNTS },
    bytes: { zmq: { up: 10, down: 20 }, srt: { up: 30, down: 40 } },
    planes: [
      { kind: "zmq", workers: 2, workers_replaced: 1, ports_open: 3, loop_lag_ms: [1.5, null] },
      { kind: "srt", workers: 1, workers_replaced: 0, ports_open: 4, loop_lag_ms: [0.25] },
    ],
    streams: { configured: 3, publishers: 2, viewers: 9 },
    stream_bytes: { in: 100, out: 900 },
    counts: counts.all(),
    log_lines_lost: 8,
    recorded: { events: 11, bytes: 12 },
    admin_connections: 13,
    control_loop_lag_ms: 1.5,
    process: readProcessFigures(),
  };
}

async function page(read: Readings, setup = new SetupTimes()): Promise<MetricsText> {
  const serves_fastway = read.fastway !== undefined;
  return new MetricsText(await new Metrics({ setup, serves_fastway }).page(read));
}

describe("the page of metrics", () => {
  test("keeps Prometheus' rules: help and type for each, units and suffixes in the names", async () => {
    const text = await page(readings());
    expect(text.faults()).toEqual([]);
    expect(text.families.size).toBeGreaterThan(35);
  });

  test("has the names of the seed, and each value where it belongs", async () => {
    const counts = new StatusCounts();
    counts.add("info", "client_pending", { kind: "zmq", role: "client" });
    counts.add("info", "paired", { kind: "zmq", role: "server" });
    counts.add("info", "server_pending", { kind: "srt", role: "server" });
    counts.add("info", "paired", { kind: "srt", role: "client" });
    counts.add("info", "publishing", { name: "cam" });
    counts.add("info", "viewing", { name: "cam" });
    counts.add("info", "pair_granted", {});
    counts.add("warn", "register_refused", { code: 503, role: "client" });
    counts.add("info", "register_refused", { error: "no register within gateway.auth_timeout" });
    counts.add("warn", "pair_refused", { code: 502, count: 41 });
    counts.add("info", "pair_refused", { reason: "asker_left" });
    counts.add("warn", "hello_error", { kind: "zmq" });
    counts.add("warn", "stream_denied", { kind: "srt", count: 3 });
    counts.add("warn", "limit_reached", { limit: "unproven_max", count: 9 });
    counts.add("info", "session_stop", { kind: "zmq", reason: "finished" });
    counts.add("info", "heartbeat_timeout", { kind: "zmq", reason: "idle" });
    const text = await page(readings(counts));
    const value = (name: string, labels: Record<string, string> = {}) => text.value(name, labels);
    expect(value("relay_port_state", { protocol: "zmq", state: "reserved" })).toBe(1);
    expect(value("relay_port_state", { protocol: "srt", state: "blocked" })).toBe(0);
    expect(value("relay_pipe_bytes_total", { direction: "down", protocol: "srt" })).toBe(40);
    expect(value("zmq_conn_total", { role: "client" })).toBe(1);
    expect(value("zmq_conn_total", { role: "server" })).toBe(1);
    expect(value("srt_conn_total", { role: "client" })).toBe(1);
    expect(value("srt_conn_total", { role: "publisher" })).toBe(1);
    expect(value("srt_conn_total", { role: "viewer" })).toBe(1);
    expect(value("relayx_grants_total")).toBe(1);
    expect(value("relayx_refusals_total", { request: "register", reason: "503" })).toBe(1);
    expect(value("relayx_refusals_total", { request: "register", reason: "unknown" })).toBe(1);
    expect(value("relayx_refusals_total", { request: "pair", reason: "502" })).toBe(41);
    expect(value("relayx_refusals_total", { request: "pair", reason: "asker_left" })).toBe(1);
    expect(value("relayx_hello_failures_total", { protocol: "zmq", status: "hello_error" })).toBe(
      1,
    );
    expect(value("relayx_hello_failures_total", { protocol: "srt", status: "stream_denied" })).toBe(
      3,
    );
    expect(value("relayx_limit_reached_total", { limit: "unproven_max" })).toBe(9);
    expect(value("relayx_session_ends_total", { protocol: "zmq", reason: "idle" })).toBe(1);
    expect(value("relayx_state", { state: "Running" })).toBe(1);
    expect(value("relayx_state", { state: "Draining" })).toBe(0);
    expect(value("relayx_workers_hung", { protocol: "zmq" })).toBe(1);
    expect(value("relayx_worker_loop_lag_seconds", { protocol: "zmq", worker: "0" })).toBe(0.0015);
    expect(value("relayx_worker_loop_lag_seconds", { protocol: "zmq", worker: "1" }))
      .toBeUndefined();
    expect(value("relayx_build_info", { version: '1.2.3"\\\n' })).toBe(1);
    expect(value("relayx_log_lines_lost_total")).toBe(8);
    expect(value("process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
    expect(value("process_open_fds")).toBeGreaterThan(3);
    expect(value("process_start_time_seconds")).toBe(1_700_000_000);
  });

  test("has fastway's where it is served, and its workers beside the others'", async () => {
    const counts = new StatusCounts();
    counts.add("info", "fastway_over", { role: "client", reason: "idle", count: 3 });
    counts.add("warn", "fastway_refused", { role: "server", reason: "handshake_error" });
    expect((await page(readings(counts))).text).not.toContain("relayx_fastway");
    const ways = { bytes_in: 1, bytes_out: 2, messages_in: 3, messages_out: 4 };
    const text = await page({
      ...readings(counts),
      fastway: {
        clients: 5,
        servers: 6,
        away: 1,
        virtual: 7,
        virtual_total: 8,
        refused: { unknown: 9, limit: 10, draining: 11 },
        unknown_total: 12,
        carried: { client: ways, server: { ...ways, messages_out: 40 } },
        queue_messages: 13,
        queue_bytes: 14,
        pool_bytes: 15,
        pool_used_bytes: 16,
        workers: 2,
        workers_replaced: 1,
        loop_lag_ms: [2, null],
        tls: {
          entering: 1,
          open: 2,
          passed_total: 3,
          refused_total: 4,
          shed_total: 5,
          threads_replaced: 6,
        },
      },
    });
    expect(text.faults()).toEqual([]);
    const value = (name: string, labels: Record<string, string> = {}) =>
      text.value(`relayx_fastway_${name}`, labels);
    expect(value("endpoints", { side: "server" })).toBe(6);
    expect(value("endpoints_ended_total", { reason: "idle" })).toBe(3);
    expect(value("refused_total", { reason: "handshake_error" })).toBe(1);
    expect(value("dials_refused_total", { reason: "draining" })).toBe(11);
    expect(value("messages_total", { side: "server", direction: "out" })).toBe(40);
    expect(value("bytes_total", { side: "client", direction: "in" })).toBe(1);
    expect(value("virtual_connections_total")).toBe(8);
    expect(value("pool_bytes", { state: "used" })).toBe(16);
    expect(value("tls_connections", { state: "open" })).toBe(2);
    expect(value("tls_handshakes_total", { result: "shed" })).toBe(5);
    expect(value("tls_threads_replaced_total")).toBe(6);
    expect(text.value("relayx_workers", { protocol: "fastway" })).toBe(2);
    expect(text.value("relayx_workers_hung", { protocol: "fastway" })).toBe(1);
    expect(text.value("relayx_ports_open", { protocol: "fastway" })).toBeUndefined();
  });

  test("names nobody and nothing that peers choose", async () => {
    const counts = new StatusCounts();
    const theirs = { id: "peer-id", client_id: "client-id", remote: "192.0.2.7:1", user: "user-x" };
    for (let i = 0; i < 100; i++) {
      counts.add("info", "registered", { ...theirs, id: `peer-${i}`, role: "client" });
    }
    const text = await page(readings(counts));
    expect(text.text).not.toMatch(/peer-|client-id|192\.0\.2|user-x/);
    expect(text.value("relayx_events_total", { status: "registered", reason: "client" })).toBe(100);
  });

  test("two pages at once do not mix", async () => {
    const metrics = new Metrics({ setup: new SetupTimes(), serves_fastway: false });
    const first = metrics.page({ ...readings(), sessions: 111 });
    const second = metrics.page({ ...readings(), sessions: 222 });
    expect(new MetricsText(await first).value("relayx_sessions")).toBe(111);
    expect(new MetricsText(await second).value("relayx_sessions")).toBe(222);
  });

  test("a histogram of set-up times", async () => {
    const setup = new SetupTimes();
    for (const ms of [0.1, 0.4, 3, 3, 9_999_999]) setup.add(ms);
    const text = await page(readings(), setup);
    const bucket = (le: string) => text.value("relayx_setup_seconds_bucket", { le });
    expect([bucket("0.0005"), bucket("0.0025"), bucket("0.005"), bucket("250"), bucket("+Inf")])
      .toEqual([2, 2, 4, 4, 5]);
    expect(text.value("relayx_setup_seconds_count")).toBe(5);
    expect(text.value("relayx_setup_seconds_sum")).toBeCloseTo(10_000.0055, 4);
    expect(text.faults()).toEqual([]);
  });

  test("counts every way in which a connection to a data port is turned away", () => {
    const plane = readFileSync(join(import.meta.dirname, "../../../src/data/plane.ts"), "utf8");
    const union = /type RejectStatus =([^;]+);/.exec(plane)![1];
    const words = [...union.matchAll(/\| "(\w+)"/g)].map(([, word]) => word);
    // And the one that only standing ports have.
    expect([...HELLO_FAILURES].sort() as string[]).toEqual([...words, "no_server"].sort());
  });
});

describe("what is read for it", () => {
  test("a total never falls, whichever of its parts begin anew or disappear", () => {
    const total = new RisingTotal();
    expect(total.update([["a", 10], ["b", 5]])).toBe(15);
    expect(total.update([["a", 12]])).toBe(17);
    expect(total.update([["a", 3], ["b", 5]])).toBe(25);
    expect(total.update([])).toBe(25);
    expect(total.update([["a", 3]])).toBe(28);
  });

  test("the loop's lag is that of its longest pause", async () => {
    const lag = new LoopLag();
    expect(lag.worst_ms()).toBe(0);
    lag.start();
    const until = performance.now() + 560;
    while (performance.now() < until) { /* What is measured is exactly this. */ }
    expect(lag.worst_ms()).toBeGreaterThanOrEqual(55);
    await new Promise((done) => setImmediate(done));
    expect(lag.worst_ms()).toBeGreaterThanOrEqual(50);
    lag.close();
  });
});
