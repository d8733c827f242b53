import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { takeServiceEnvironment } from "../../../src/cli/service-environment.ts";
import { ServiceNotifier, type Watchdog } from "../../../src/cli/service-notifier.ts";
import { statusLine } from "../../../src/cli/status-line.ts";
import { RecordingLog } from "../sessions/recording-log.ts";

/** A supervisor that writes down what it is told, and may be full, deaf or gone. */
class Channel {
  readonly heard: string[] = [];
  full = false;
  gone = false;
  started = false;
  start(): void {
    this.started = true;
  }
  send(text: string): boolean {
    if (this.gone) throw new Error("nobody there");
    if (!this.full) this.heard.push(text);
    return !this.full;
  }
  monotonicUs = () => 42n;
  close(): void {
    this.started = false;
  }
}

function fixture(watchdog: Watchdog | null = null) {
  const channel = new Channel();
  const log = new RecordingLog();
  const state = { line: "Running: 0 sessions" };
  const notifier = new ServiceNotifier({ channel, log, watchdog, describe: () => state.line });
  notifier.start();
  const statuses = () => log.statuses();
  return { channel, log, state, notifier, statuses };
}

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** Lets promises that have settled be heard. */
const settle = async () => {
  for (let turn = 0; turn < 8; turn++) await Promise.resolve();
};

describe("what the supervisor is told", () => {
  test("ready, what has changed since, a reload, the end", () => {
    const { channel, state, notifier } = fixture();
    expect(channel.heard).toEqual([]);
    notifier.ready();
    jest.advanceTimersByTime(10_000);
    expect(channel.heard.splice(0)).toEqual(["READY=1\nSTATUS=Running: 0 sessions"]);
    state.line = "Running: 1 session";
    jest.advanceTimersByTime(10_000);
    expect(channel.heard.splice(0)).toEqual(["STATUS=Running: 1 session"]);
    notifier.reloading();
    notifier.ready();
    expect(channel.heard.splice(0)).toEqual([
      "RELOADING=1\nMONOTONIC_USEC=42",
      "READY=1\nSTATUS=Running: 1 session",
    ]);
    state.line = "Stopping: 1 session";
    notifier.stopping();
    expect(channel.heard.splice(0)).toEqual([
      "STOPPING=1\nSTATUS=Stopping: 1 session\nEXTEND_TIMEOUT_USEC=10000000",
    ]);
    // The end of a reload that was going on says nothing any more.
    notifier.ready();
    expect(channel.heard).toEqual([]);
    // As long as it lives it asks for more time, well before the last is over.
    jest.advanceTimersByTime(4000);
    expect(channel.heard.splice(0)).toEqual([
      "EXTEND_TIMEOUT_USEC=10000000",
      "EXTEND_TIMEOUT_USEC=10000000",
    ]);
    notifier.close();
    jest.advanceTimersByTime(60_000);
    expect(channel.heard).toEqual([]);
    expect(channel.started).toBe(false);
  });

  test("one that takes nothing is told later, in order and not without end", () => {
    const { channel, notifier } = fixture();
    channel.full = true;
    notifier.ready();
    for (let count = 0; count < 100; count++) notifier.reloading();
    notifier.stopping();
    channel.full = false;
    jest.advanceTimersByTime(2000);
    expect(channel.heard).toHaveLength(16);
    expect(channel.heard.at(-2)).toStartWith("STOPPING=1\n");
    notifier.close();
  });

  test("one that is gone is mentioned once, and again after it was back", () => {
    const { channel, notifier, statuses } = fixture();
    channel.gone = true;
    notifier.ready();
    notifier.reloading();
    expect(statuses()).toEqual(["notify_failed"]);
    channel.gone = false;
    notifier.ready();
    channel.gone = true;
    notifier.ready();
    expect(statuses()).toEqual(["notify_failed", "notify_failed"]);
    notifier.close();
  });

  test("one that cannot be reached from the start stops nothing", () => {
    const log = new RecordingLog();
    const channel = new Channel();
    channel.start = () => {
      throw new Error("no such socket");
    };
    const watchdog = { patience_ms: 1000, alive: () => Promise.resolve(true) };
    const notifier = new ServiceNotifier({ channel, log, watchdog, describe: () => "x" });
    notifier.start();
    notifier.ready();
    notifier.reloading();
    notifier.stopping();
    notifier.close();
    expect(channel.heard).toEqual([]);
    expect(log.statuses()).toEqual(["notify_failed"]);
  });
});

describe("the watchdog", () => {
  test("is fed when the gateway is ready, and from then on twice within its patience", async () => {
    const { channel, notifier } = fixture({
      patience_ms: 1000,
      alive: () => Promise.resolve(true),
    });
    const fed = () => channel.heard.filter((text) => text === "WATCHDOG=1").length;
    jest.advanceTimersByTime(5000);
    await settle();
    expect(fed()).toBe(0);
    notifier.ready();
    for (let half = 0; half < 4; half++) {
      await settle();
      // A reload's end is no reason to feed it more often.
      notifier.ready();
      jest.advanceTimersByTime(500);
    }
    await settle();
    expect(fed()).toBe(5);
    notifier.close();
    jest.advanceTimersByTime(5000);
    await settle();
    expect(fed()).toBe(5);
  });

  test.each([
    ["no", () => Promise.resolve(false)],
    ["nothing but an error", () => Promise.reject(new Error("no"))],
  ])("is not fed while the worlds say %s, which is logged once", async (_, alive) => {
    const { channel, notifier, statuses } = fixture({ patience_ms: 1000, alive });
    notifier.ready();
    channel.heard.length = 0;
    for (let eighth = 0; eighth < 24; eighth++) {
      await settle();
      jest.advanceTimersByTime(125);
    }
    expect(channel.heard).toEqual([]);
    expect(statuses()).toEqual(["watchdog_withheld"]);
    notifier.close();
  });

  test("is fed within its patience when a worker was only held up", async () => {
    const asked: number[] = [];
    let held_up = false;
    const { channel, notifier, statuses } = fixture({
      patience_ms: 1000,
      alive: (within_ms) => {
        asked.push(within_ms);
        return Promise.resolve(!held_up);
      },
    });
    notifier.ready();
    await settle();
    held_up = true;
    jest.advanceTimersByTime(500);
    await settle();
    held_up = false;
    jest.advanceTimersByTime(125);
    await settle();
    expect(channel.heard.slice(1)).toEqual(["WATCHDOG=1", "WATCHDOG=1"]);
    expect(statuses()).toEqual(["watchdog_withheld", "watchdog_fed"]);
    // The time to answer leaves room for another question before the patience ends.
    expect(asked).toEqual([250, 250, 250]);
    notifier.close();
  });
});

describe("the environment", () => {
  const taken = (env: Record<string, string | undefined>) => {
    const rest = { ...env };
    return [takeServiceEnvironment(rest, 7), rest];
  };

  test("says where to report and how often, and says it once", () => {
    const env = { NOTIFY_SOCKET: "/run/n", WATCHDOG_USEC: "3000000", WATCHDOG_PID: "7", HOME: "/" };
    expect(taken(env)).toEqual([{ notify_socket: "/run/n", watchdog_ms: 3000 }, { HOME: "/" }]);
  });

  test.each<[string, Record<string, string>, ReturnType<typeof takeServiceEnvironment>]>([
    ["no supervisor", { WATCHDOG_USEC: "1000" }, null],
    ["an empty one", { NOTIFY_SOCKET: "", WATCHDOG_USEC: "1000" }, null],
    ["no watchdog", { NOTIFY_SOCKET: "@n" }, { notify_socket: "@n", watchdog_ms: null }],
    [
      "another process's watchdog",
      { NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "1000", WATCHDOG_PID: "8" },
      { notify_socket: "@n", watchdog_ms: null },
    ],
    [
      "a watchdog for whoever reads it",
      { NOTIFY_SOCKET: "@n", WATCHDOG_USEC: "1000" },
      { notify_socket: "@n", watchdog_ms: 1 },
    ],
    ...["0", "-1", "1.5", "soon", "99999999999999999"].map((us) =>
      [
        `a time of ${us}`,
        { NOTIFY_SOCKET: "@n", WATCHDOG_USEC: us },
        { notify_socket: "@n", watchdog_ms: null },
      ] as [string, Record<string, string>, { notify_socket: string; watchdog_ms: null }]
    ),
  ])("%s", (_, env, expected) => {
    expect(taken(env)).toEqual([expected, {}]);
  });
});

test("the status line counts what an operator wants to know first", () => {
  const connections = { registered: 5, unproven: 1, open: 6 };
  const quiet = {
    state: "Running",
    drain: null,
    sessions: 1,
    waiting_requests: 0,
    connections,
  } as const;
  expect(statusLine(quiet)).toBe("Running: 1 session, 5 registered, 0 requests waiting");
  const drain = { since_unix_ms: 1, deadline_unix_ms: null };
  expect(statusLine({ ...quiet, drain, sessions: 2 })).toStartWith("Draining: 2 sessions, ");
  expect(statusLine({ ...quiet, drain, state: "Stopping" })).toStartWith("Stopping: ");
});
