/** fastway's habits as a process, with a folder and a signal of the test's own. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { COMMANDS, parseCommand } from "../../../src/cli/fastway-process/commands.ts";
import { FastwayProcess } from "../../../src/cli/fastway-process/fastway-process.ts";
import { lagText, threadsText } from "../../../src/cli/fastway-process/process-texts.ts";
import type { ThreadAnswer, ThreadProbe } from "../../../src/data/thread-probe.ts";
import { RecordingLog } from "../sessions/recording-log.ts";

let folder: string;
let running: FastwayProcess[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-process-"));
  running = [];
});
afterEach(() => {
  for (const one of running) one.close();
  rmSync(folder, { recursive: true, force: true });
});

/** A plane of one worker that does what it is told. */
class Workers {
  readonly probes: ThreadProbe[] = [];
  failing = false;
  probe(probe: ThreadProbe): Promise<ThreadAnswer[]> {
    this.probes.push(probe);
    const answer: ThreadAnswer = { thread: "fastway 0", profile: null, path: null, error: null };
    if (this.failing) answer.error = "it cannot";
    else if (probe.kind === "cpu_stop") {
      answer.profile = { nodes: [], startTime: 0, endTime: 0 };
    } else if (probe.kind === "heap") {
      answer.path = join(probe.folder, "thread-1");
      writeFileSync(answer.path, "a heap");
    }
    return Promise.resolve([answer]);
  }
  snapshot() {
    return {
      planes: [{ kind: "zmq", loop_lag_ms: [1.5] }],
      rlx1: null,
      fastway: { loop_lag_ms: [0.25, null] },
    };
  }
}

function fixture(options: { folder?: string; pid?: number; profile_ms_max?: number } = {}) {
  const log = new RecordingLog();
  const host = new EventEmitter();
  const gateway = new Workers();
  const habits = new FastwayProcess({ folder, pid: process.pid, log, host, gateway, ...options });
  habits.start();
  running.push(habits);
  const signal = (command?: string) => {
    if (command !== undefined) writeFileSync(join(folder, "fastway.cmd"), command);
    host.emit("SIGUSR1");
  };
  const seen = new Map<string, number>();
  /** The next line with the status; the one before has been looked at. */
  const answered = async (status: string) => {
    const nth = (seen.get(status) ?? 0) + 1;
    seen.set(status, nth);
    return (await log.lines.count(nth, (line) => line.status === status))[nth - 1];
  };
  return { habits, host, log, gateway, signal, answered };
}

const file = (name: string) => join(folder, name);
const pid = () => readFileSync(file("fastway.pid"), "utf8");

describe("fastway.pid", () => {
  test("has the number and nothing else, for everybody to read, until the end", () => {
    const { habits } = fixture();
    expect(pid()).toBe(String(process.pid));
    expect(statSync(file("fastway.pid")).mode & 0o777 & ~process.umask()).toBe(
      0o644 & ~process.umask(),
    );
    habits.close();
    expect(readdirSync(folder)).toEqual([]);
  });

  test.each([
    ["of a process that is no more", "4194399\n"],
    ["of a process of another program", "1"],
    ["of our own number, from before a restart", String(process.pid)],
    ["that is rubbish", "what?"],
    ["that is empty", ""],
    ["that is too large", "9".repeat(100)],
  ])("a stale one %s is replaced", (_, text) => {
    writeFileSync(file("fastway.pid"), text);
    const { log } = fixture();
    expect(pid()).toBe(String(process.pid));
    expect(log.lines.items).toEqual([]);
  });

  test("the original program, where it still runs, keeps its own", async () => {
    // Any program will do that the kernel calls by this name.
    copyFileSync("/bin/sleep", file("fastway"));
    const original = spawn(file("fastway"), ["1000"], { stdio: "ignore" });
    await once(original, "spawn");
    try {
      writeFileSync(file("fastway.pid"), String(original.pid));
      const { habits, log } = fixture();
      expect(log.lines.items).toMatchObject([
        { level: "warn", status: "pid_file_taken", other_pid: original.pid },
      ]);
      habits.close();
      expect(pid()).toBe(String(original.pid));
    } finally {
      const gone = once(original, "exit");
      original.kill();
      await gone;
    }
  });

  test("of another relayx that runs is left alone, at the start and at the end", () => {
    writeFileSync(file("fastway.pid"), String(process.pid));
    const { habits, log } = fixture({ pid: 12 });
    expect(log.lines.items).toMatchObject([
      { level: "warn", status: "pid_file_taken", other_pid: process.pid },
    ]);
    habits.close();
    expect(pid()).toBe(String(process.pid));
  });

  test("is not removed when somebody else has written it since", () => {
    const { habits } = fixture();
    writeFileSync(file("fastway.pid"), "1");
    habits.close();
    expect(pid()).toBe("1");
  });

  test("a link in its place is replaced, not followed", () => {
    writeFileSync(file("precious"), "precious");
    symlinkSync(file("precious"), file("fastway.pid"));
    fixture();
    expect(readFileSync(file("precious"), "utf8")).toBe("precious");
    expect(pid()).toBe(String(process.pid));
  });

  test("a folder that is not there is one warning, and commands are refused in words", async () => {
    const { log, signal, answered } = fixture({ folder: file("absent") });
    expect(log.lines.items).toMatchObject([
      { level: "warn", status: "process_folder_error", folder: file("absent") },
    ]);
    signal();
    expect(await answered("command_unreadable")).toMatchObject({ error: "no such file" });
  });
});

describe("fastway.cmd", () => {
  test.each([
    ["help", { name: "help" }],
    ["cpuprof start\n", { name: "cpuprof", action: "start" }],
    ["  cpuprof   stop ", { name: "cpuprof", action: "stop" }],
    ["lookup heap", { name: "lookup", what: "heap" }],
    ["lookup goroutine 2\n", { name: "lookup", what: "goroutine" }],
    ["lookup gc 0", { name: "lookup", what: "gc" }],
  ])("%j is a command", (text, expected) => {
    expect(parseCommand(text)).toEqual(expected as ReturnType<typeof parseCommand>);
  });

  test.each([
    "",
    "HELP",
    "help me",
    "cpuprof",
    "cpuprof pause",
    "cpuprof start now",
    "lookup",
    "lookup everything",
    "lookup heap much",
    "lookup heap 1 2",
    "lookup heap -1",
    "lookup __proto__",
    "rm -rf /",
  ])("%j is none", (text) => expect(parseCommand(text)).toBeNull());

  test("what is none is told with what there is, and not in full", async () => {
    const { signal, answered } = fixture();
    signal(`x${"y".repeat(3000)}`);
    const line = await answered("command_unknown");
    expect(line.allowed).toEqual(Object.keys(COMMANDS));
    expect(String(line.command)).toHaveLength(64);
  });

  test.each<[string, () => void, string]>([
    ["is missing", () => {}, "no such file"],
    ["is a folder", () => mkdirSync(file("fastway.cmd")), "something that is no regular file"],
    ["is too large", () => writeFileSync(file("fastway.cmd"), "h".repeat(4097)), "4097 bytes"],
    ["is a device", () => symlinkSync("/dev/zero", file("fastway.cmd")), "no regular file"],
  ])("one that %s is not read", async (_, prepare, error) => {
    const { signal, answered } = fixture();
    prepare();
    signal();
    expect((await answered("command_unreadable")).error).toContain(error);
  });

  test("help names every command", async () => {
    const { signal, answered } = fixture();
    signal("help\n");
    expect((await answered("command_done")).commands).toEqual(COMMANDS);
  });

  test("too many signals at once are told", async () => {
    const { signal, log, answered } = fixture();
    writeFileSync(file("fastway.cmd"), "help");
    for (let i = 0; i < 5; i++) signal();
    await answered("command_refused");
    for (let i = 0; i < 4; i++) await answered("command_done");
    signal();
    await answered("command_done");
    expect(log.lines.items.filter(({ level }) => level === "warn")).toHaveLength(1);
  });
});

describe("what commands find", () => {
  const secret = (name: string) => {
    expect(statSync(file(name)).mode & 0o777).toBe(0o600);
    return readFileSync(file(name), "utf8");
  };

  test("texts of what runs, what is late, and the threads", async () => {
    const { signal, answered } = fixture();
    for (
      const [what, expected] of [
        ["goroutine", '"kind": "zmq"'],
        ["block", "fastway worker 1:       hangs"],
        ["threadcreate", String(process.pid)],
      ]
    ) {
      signal(`lookup ${what}`);
      const name = `fastway.${what}.prof`;
      expect((await answered("command_done")).file).toBe(file(name));
      expect(secret(name)).toContain(expected);
    }
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("a heap snapshot of each thread, in V8's format", async () => {
    const { signal, answered } = fixture();
    signal("lookup heap");
    expect((await answered("command_done")).files)
      .toEqual([file("fastway.heap.prof"), file("fastway.heap.fastway-0.prof")]);
    const { snapshot, nodes } = JSON.parse(secret("fastway.heap.prof"));
    expect(nodes.length).toBe(snapshot.node_count * snapshot.meta.node_fields.length);
    expect(secret("fastway.heap.fastway-0.prof")).toBe("a heap");
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
  });

  test("memory and collections, in the log", async () => {
    const { signal, answered } = fixture();
    signal("lookup gc");
    const line = await answered("command_done");
    expect(line.resident_bytes).toBeGreaterThan(1_000_000);
    expect(line.collections).toBeObject();
  });

  test("a profile from start to stop, and only once at a time", async () => {
    const { signal, answered, gateway } = fixture();
    signal("cpuprof stop");
    expect((await answered("command_failed")).error).toContain("none is being taken");
    signal("cpuprof start");
    expect((await answered("command_done")).threads).toEqual(["main thread", "fastway 0"]);
    signal("cpuprof start");
    expect((await answered("command_failed")).error).toContain("already");
    signal("cpuprof stop");
    expect(await answered("command_done"))
      .toMatchObject({ file: file("fastway.cpu.prof"), missed: [] });
    const { nodes, samples } = JSON.parse(secret("fastway.cpu.prof"));
    expect(nodes[0].callFrame.functionName).toBe("(root)");
    expect(samples.length).toBeGreaterThan(0);
    expect(gateway.probes.map(({ kind }) => kind)).toEqual(["cpu_start", "cpu_stop"]);
  });

  test("a forgotten profile ends by itself", async () => {
    const { signal, answered } = fixture({ profile_ms_max: 20 });
    signal("cpuprof start");
    await answered("command_done");
    expect((await answered("command_done")).command).toBe("cpuprof stop, by itself");
    expect(existsSync(file("fastway.cpu.prof"))).toBe(true);
  });

  test("threads that cannot be looked into are named", async () => {
    const { signal, answered, gateway } = fixture();
    gateway.failing = true;
    signal("lookup heap");
    expect((await answered("command_done")).missed).toEqual(["fastway 0: it cannot"]);
  });

  test("a folder that takes no files any more is told, and nothing else happens", async () => {
    const { signal, answered, host } = fixture();
    signal("help");
    await answered("command_done");
    mkdirSync(file("fastway.block.prof"));
    signal("lookup block");
    expect((await answered("command_failed")).error).toContain("fastway.block.prof");
    expect(readdirSync(folder).filter((name) => name.startsWith("."))).toEqual([]);
    expect(host.listenerCount("SIGUSR1")).toBe(1);
    chmodSync(folder, 0o700);
  });
});

test("no thread is left out of the table", () => {
  const count = readdirSync("/proc/self/task").length;
  expect(Math.abs(Number(/^\d+/.exec(threadsText())![0]) - count)).toBeLessThanOrEqual(2);
  expect(lagText(12.34, {})).toContain("12.3 ms");
});
