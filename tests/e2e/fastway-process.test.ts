/** fastway's habits as a process: the program in the place of the original, its files and its signal. */
import { afterEach, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { Inbox } from "../harness/inbox.ts";
import type { LogLine } from "../harness/gateway-process.ts";
import { binary_path, plainEnvironment, repository, type Runtime } from "../harness/runtime.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(120_000);

let folder: string;
let started: FastwayProgram[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-fastway-"));
  started = [];
});
afterEach(async () => {
  for (const one of started) await one.kill();
  rmSync(folder, { recursive: true, force: true });
});

/** The command, run where its files are to be. */
function commandOf(runtime: Runtime): string[] {
  const tools = `${repository}node_modules/.bin/`;
  const source = `${repository}src/main.ts`;
  if (runtime === "binary") return [binary_path];
  return [`${tools}deno`, "run", "--allow-all", `--config=${repository}deno.json`, source];
}

class FastwayProgram {
  readonly log = new Inbox<LogLine>();
  stderr = "";
  readonly #child: ChildProcess;
  readonly #gone: Promise<[number | null, string | null]>;

  constructor(args: string[], runtime: Runtime = "binary", env: Record<string, string> = {}) {
    const [command, ...first] = commandOf(runtime);
    this.#child = spawn(command, [...first, ...args], {
      cwd: folder,
      env: plainEnvironment(env),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#gone = once(this.#child, "close") as Promise<[number | null, string | null]>;
    let tail = "";
    this.#child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      const lines = (tail + text).split("\n");
      tail = lines.pop()!;
      for (const line of lines) this.log.push(JSON.parse(line) as LogLine);
    });
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => this.stderr += text);
    void this.#gone.then(() => this.log.end(new Error(`relayx has ended:\n${this.stderr}`)));
    started.push(this);
  }

  static async serving(...args: ConstructorParameters<typeof FastwayProgram>) {
    const program = new FastwayProgram(...args);
    await program.logged("serving");
    return program;
  }

  logged(status: string): Promise<LogLine> {
    return this.log.take(`log line ${status}`, (line) => line.status === status);
  }

  /** As the original's documentation has it: `echo … > fastway.cmd && kill -SIGUSR1 …`. */
  async command(text: string): Promise<LogLine> {
    writeFileSync(join(folder, "fastway.cmd"), `${text}\n`);
    process.kill(Number(read("fastway.pid")), "SIGUSR1");
    return await this.log.take(
      `the end of ${text}`,
      ({ status }) => /^command_/.test(status ?? ""),
    );
  }

  async stop(signal: "SIGTERM" | "SIGINT" = "SIGTERM"): Promise<number | null> {
    process.kill(Number(read("fastway.pid")), signal);
    return (await this.#gone)[0];
  }

  /** The code that it ends with by itself. */
  async ended(): Promise<number | null> {
    return (await this.#gone)[0];
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGKILL");
    }
    await this.#gone;
  }

  get pid(): number {
    return this.#child.pid!;
  }
}

const read = (name: string) => readFileSync(join(folder, name), "utf8");

/** Local addresses, in hexadecimal, on which the process takes TCP connections. */
function listening(pid: number): string[] {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  return ["tcp", "tcp6"].flatMap((table) =>
    readFileSync(`/proc/${pid}/net/${table}`, "utf8").split("\n").slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[3] === "0A" && own.has(fields[9]))
      .map((fields) => fields[1])
  );
}

const LOOPBACK = /^(?:0100007F|00000000000000000000000001000000):/;

interface Profile {
  nodes: { id: number; callFrame: { functionName: string }; children?: number[] }[];
  samples: number[];
  timeDeltas: number[];
  startTime: number;
  endTime: number;
}

/** Reads a `.cpuprofile` as the tools do; answers the functions below each thread. */
function threadsOf(text: string): Map<string, string[]> {
  const { nodes, samples, timeDeltas, startTime, endTime } = JSON.parse(text) as Profile;
  const byId = new Map(nodes.map((node) => [node.id, node]));
  expect(byId.size).toBe(nodes.length);
  expect(samples.length).toBeGreaterThan(0);
  expect(timeDeltas).toHaveLength(samples.length);
  expect(samples.filter((id) => !byId.has(id))).toEqual([]);
  expect(timeDeltas.reduce((sum, one) => sum + one, 0)).toBeLessThanOrEqual(endTime - startTime);
  const below = (id: number): string[] => {
    const { callFrame, children = [] } = byId.get(id)!;
    return [callFrame.functionName, ...children.flatMap(below)];
  };
  return new Map(
    byId.get(1)!.children!.map((id) => [byId.get(id)!.callFrame.functionName, below(id)]),
  );
}

/** Reads a heap snapshot as Chrome does. */
function expectHeap(text: string): void {
  const { snapshot, nodes, edges } = JSON.parse(text) as {
    snapshot: {
      node_count: number;
      edge_count: number;
      meta: { node_fields: string[]; edge_fields: string[] };
    };
    nodes: number[];
    edges: number[];
  };
  expect(snapshot.node_count).toBeGreaterThan(1000);
  expect(nodes).toHaveLength(snapshot.node_count * snapshot.meta.node_fields.length);
  expect(edges).toHaveLength(snapshot.edge_count * snapshot.meta.edge_fields.length);
}

const ADDRESSES = ["-ClientAddr", "127.0.0.1:0", "-ServerAddr=127.0.0.1:0"];

describe("relayx fastway, in the place of the original", () => {
  test("its files, its commands, and the end by its number", async () => {
    const program = await FastwayProgram.serving(["fastway", ...ADDRESSES]);
    expect(read("fastway.pid")).toBe(String(program.pid));
    expect(listening(program.pid).filter((address) => !LOOPBACK.test(address))).toEqual([]);

    expect((await program.command("help")).commands).toContainKey("cpuprof start");
    const { threads } = await program.command("cpuprof start");
    // Something to see, also on a machine that is quick.
    for (const what of ["block", "goroutine", "threadcreate"]) {
      const { file } = await program.command(`lookup ${what}`);
      expect(file).toBe(join(folder, `fastway.${what}.prof`));
      expect(read(`fastway.${what}.prof`)).not.toBe("");
    }
    expect(await program.command("cpuprof stop")).toMatchObject({ threads, missed: [] });
    const profiled = threadsOf(read("fastway.cpu.prof"));
    expect([...profiled.keys()]).toEqual(threads as string[]);
    // A worker that carries nothing waits in the kernel.
    for (const worker of ["fastway 0", "tcp 0"]) {
      expect(profiled.get(worker)).toContainEqual(expect.stringMatching(/^(?:epoll_)?wait$/));
    }

    const { files } = await program.command("lookup heap");
    expect(files).toContain(join(folder, "fastway.heap.prof"));
    for (const file of files as string[]) expectHeap(readFileSync(file, "utf8"));
    expect((await program.command("lookup gc")).resident_bytes).toBeGreaterThan(1_000_000);
    expect((await program.command("shutdown")).status).toBe("command_unknown");

    expect(await program.stop()).toBe(0);
    expect(existsSync(join(folder, "fastway.pid"))).toBe(false);
    expect(program.stderr).toBe("");
  });

  test("a second one in the same folder leaves the first its number", async () => {
    const first = await FastwayProgram.serving(["fastway", ...ADDRESSES]);
    const second = await FastwayProgram.serving(["fastway", ...ADDRESSES]);
    expect(await second.logged("pid_file_taken")).toMatchObject({ other_pid: first.pid });
    process.kill(second.pid, "SIGINT");
    expect(await second.ended()).toBe(0);
    expect(read("fastway.pid")).toBe(String(first.pid));
    // One that was killed leaves its number behind, which the next one replaces.
    await first.kill();
    expect(read("fastway.pid")).toBe(String(first.pid));
    const third = await FastwayProgram.serving(["fastway", ...ADDRESSES]);
    expect(read("fastway.pid")).toBe(String(third.pid));
    expect(await third.stop("SIGINT")).toBe(0);
  });

  test("a wrong flag ends it with 2, and no file is left", async () => {
    const program = new FastwayProgram(["fastway", "-ClientAddr", "nowhere"]);
    expect(await program.ended()).toBe(2);
    expect(program.stderr).toStartWith(
      '-ClientAddr fastway.ClientAddr: found "nowhere"; allowed: ',
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  test("a folder that cannot be written is one warning, and none of it with an empty one", async () => {
    const env = { RELAYX_FASTWAY_PROCESS_FOLDER: "/proc" };
    const program = await FastwayProgram.serving(["fastway", ...ADDRESSES], "binary", env);
    expect((await program.logged("process_folder_error")).folder).toBe("/proc");
    process.kill(program.pid, "SIGTERM");
    expect(await program.ended()).toBe(0);
    const path = join(folder, "config.yaml");
    const sections = {
      gateway: { tcp_port: 0, bind_address: "127.0.0.1" },
      admin: { port: "off" },
      logging: { output: "console" },
      fastway: { process_folder: "", ClientAddr: "127.0.0.1:0", ServerAddr: "127.0.0.1:0" },
    };
    writeFileSync(path, JSON.stringify(sections));
    const quiet = await FastwayProgram.serving(["fastway", "--config_path", path]);
    expect(readdirSync(folder)).toEqual(["config.yaml"]);
    process.kill(quiet.pid, "SIGTERM");
    expect(await quiet.ended()).toBe(0);
  });
});

test("on Deno too, whose debugger does not stay open", async () => {
  const program = await FastwayProgram.serving(["fastway", ...ADDRESSES], "deno");
  expect(await program.command("cpuprof start"))
    .toMatchObject({ status: "command_done", threads: ["main thread"] });
  expect(await program.command("cpuprof stop")).toMatchObject({ status: "command_done" });
  expect([...threadsOf(read("fastway.cpu.prof")).keys()]).toEqual(["main thread"]);
  expectHeap(readFileSync(((await program.command("lookup heap")).files as string[])[0], "utf8"));
  // Deno opens it some time after the signal, if it has run for half a second by then.
  if (program.stderr.includes("Debugger listening")) await program.logged("debugger_closed");
  expect(await program.stop()).toBe(0);
  expect(existsSync(join(folder, "fastway.pid"))).toBe(false);
});
