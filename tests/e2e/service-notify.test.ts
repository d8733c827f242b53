/** What a supervisor such as systemd is told over the socket that it names (sd_notify(3)). */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import process from "node:process";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { FrozenThread, workerThreads } from "../harness/frozen-thread.ts";
import { Meeting } from "../harness/meeting.ts";
import { plainEnvironment } from "../harness/runtime.ts";
import { Supervisor } from "../harness/supervisor.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(30_000);

const open: { close(): void | Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close();
});

function supervise(options?: { abstract_name?: string }): Supervisor {
  const supervisor = new Supervisor(options);
  open.push(supervisor);
  return supervisor;
}

async function start(
  notify_socket: string,
  { environment = {}, gateway: section = {} }: {
    environment?: Record<string, string>;
    gateway?: Record<string, unknown>;
  } = {},
): Promise<GatewayProcess> {
  const gateway = await GatewayProcess.start({
    environment: plainEnvironment({ NOTIFY_SOCKET: notify_socket, ...environment }),
    settings: { gateway: section },
    tcp_ports: 2,
    srt_ports: 2,
  });
  open.push({ close: () => gateway.kill() });
  return gateway;
}

test("ready, what it does, a reload, stopping for as long as sessions need, and the end", async () => {
  const supervisor = supervise();
  const gateway = await start(supervisor.address, { gateway: { shutdown_timeout: "1h" } });
  expect(await supervisor.next({ READY: "1" })).toEqual({
    READY: "1",
    STATUS: "Running: 0 sessions, 0 registered, 0 requests waiting",
  });
  const meeting = await Meeting.of(gateway, { name: "notify" });
  open.push(meeting);
  const session = await meeting.tcpSession();
  await supervisor.next({ STATUS: "Running: 1 session, 2 registered, 0 requests waiting" });
  process.kill(gateway.pid, "SIGHUP");
  const reloading = await supervisor.next({ RELOADING: "1" });
  // The machine's monotonic clock, which began with the machine and never goes back.
  const uptime_s = Number(readFileSync("/proc/uptime", "utf8").split(" ")[0]);
  expect(uptime_s - Number(reloading.MONOTONIC_USEC) / 1e6).toBeWithin(-1, 15);
  await supervisor.next({ READY: "1" });
  gateway.signal("SIGTERM");
  const stopping = await supervisor.next({ STOPPING: "1" });
  expect(stopping.STATUS).toStartWith("Stopping: 1 session");
  expect(Number(stopping.EXTEND_TIMEOUT_USEC)).toBeGreaterThan(5_000_000);
  // It asks for more time for as long as the session lasts, and a session lasts as long as it likes.
  await supervisor.next({ EXTEND_TIMEOUT_USEC: "*" });
  session.client.destroy();
  session.server.destroy();
  expect(await gateway.exited()).toEqual({ code: 0, signal: null });
  expect(supervisor.count({ WATCHDOG: "*" })).toBe(0);
  expect(gateway.linesOf("notify_failed")).toEqual([]);
});

test("a socket without a file serves as well, and a start that fails is never called ready", async () => {
  const supervisor = supervise({ abstract_name: `relayx-test-${process.pid}` });
  const gateway = await start(supervisor.address);
  await supervisor.next({ READY: "1" });
  // A second one on the same port cannot start.
  const second = new GatewayProcess(gateway.ports, {
    environment: plainEnvironment({ NOTIFY_SOCKET: supervisor.address }),
  });
  open.push({ close: () => second.kill() });
  second.launch();
  expect(await second.exited()).toEqual({ code: 1, signal: null });
  expect(supervisor.count({ READY: "1" })).toBe(0);
  await gateway.stop();
});

test("a supervisor that takes nothing, or is not there, is no reason not to serve", async () => {
  const supervisor = supervise();
  supervisor.hang();
  // A sign of life every 5 ms fills the kernel's queue for the supervisor at once.
  const environment = { WATCHDOG_USEC: "10000" };
  const hung = await start(supervisor.address, { environment });
  await hung.statusPage();
  await hung.stop();
  const deaf = await start("/nowhere/at/all");
  await deaf.logged("notify_failed");
  await deaf.statusPage();
  await deaf.stop();
  const wrong = await start("vsock:2:1234");
  expect((await wrong.logged("notify_failed")).error).toMatch(/absolute path of a Unix socket/);
  await wrong.stop();
});

test("the watchdog is fed while both worlds live, and not while one worker of either plane hangs", async () => {
  const supervisor = supervise();
  const environment = { WATCHDOG_USEC: "800000" };
  const gateway = await start(supervisor.address, { environment, gateway: { tcp_workers: 2 } });
  const fed = () => supervisor.next({ WATCHDOG: "1" });
  const port = gateway.control_port;
  const peer = await V4Client.register({ port, role: "client", id: "clock" });
  open.push(peer);
  await fed();
  await fed();
  expect(workerThreads(gateway.pid, "tcp")).toHaveLength(2);
  expect(workerThreads(gateway.pid, "srt")).toHaveLength(1);
  for (const kind of ["tcp", "srt"] as const) {
    const [thread] = workerThreads(gateway.pid, kind).reverse();
    const frozen = new FrozenThread(thread);
    try {
      await gateway.takeLogged("watchdog_withheld");
      // Two broadcasts are a clock: they are a second apart, which is more than the patience.
      await peer.telemetry();
      supervisor.notices.items.length = 0;
      await peer.telemetry();
      expect(supervisor.count({ WATCHDOG: "*" })).toBe(0);
    } finally {
      frozen.thaw();
    }
    await fed();
    await gateway.takeLogged("watchdog_fed");
  }
  await gateway.stop();
});
