/**
 * The gateway under test, as a process of its own: started with a configuration in a temporary
 * file, watched through its log lines, asked through `GET /status`, and stopped by its process id.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { deferred, patience_ms, turn, within } from "./deadline.ts";
import { claimPorts, type PortBlock } from "./free-ports.ts";
import { Inbox } from "./inbox.ts";
import { innermost, openDescriptors, residentBytes } from "./process-facts.ts";
import {
  commandLine,
  plainEnvironment,
  repository,
  type Runtime,
  runtimeUnderTest,
} from "./runtime.ts";
import type { PortState } from "./v4-client.ts";

export interface LogLine {
  time: string;
  level: string;
  msg: string;
  status?: string;
  session_id?: string;
  port?: number;
  kind?: string;
  remote?: string;
  [key: string]: unknown;
}

export interface StatusPage {
  status: string;
  started_at_unix_ms: number;
  now_unix_ms: number;
  connections: number;
  broadcast_unix_ms: number;
  port_state: PortState;
}

export interface Exit {
  code: number | null;
  signal: string | null;
}

/** Sections of the configuration, merged over what the tests need. */
export type Settings = Record<string, Record<string, unknown>>;

export interface GatewayOptions {
  runtime?: Runtime;
  settings?: Settings;
  tcp_ports?: number;
  srt_ports?: number;
  /** Starts this executable instead of the built one. */
  executable?: string;
  environment?: Record<string, string>;
  host?: string;
}

export class GatewayProcess {
  readonly ports: PortBlock;
  readonly host: string;
  readonly log = new Inbox<LogLine>();
  /** Lines on the standard output that are no JSON; there should be none. */
  readonly stray: string[] = [];
  stderr = "";
  readonly #options: GatewayOptions;
  readonly #exit = deferred<Exit>();
  #child: ChildProcess | null = null;
  #folder = "";
  #pid = 0;

  constructor(ports: PortBlock, options: GatewayOptions) {
    this.ports = ports;
    this.#options = options;
    this.host = options.host ?? "127.0.0.1";
  }

  /** A gateway that serves. */
  static async start(options: GatewayOptions = {}): Promise<GatewayProcess> {
    return await GatewayProcess.startOn(await claimPorts(options), options);
  }

  /** Likewise, on ports that have been claimed already. */
  static async startOn(ports: PortBlock, options: GatewayOptions): Promise<GatewayProcess> {
    const gateway = new GatewayProcess(ports, options);
    try {
      gateway.launch();
      await Promise.race([
        gateway.logged("serving", {}, 30_000),
        gateway.#exit.promise.then(({ code }) => {
          throw new Error(`the gateway ended with ${code} at its start:\n${gateway.stderr}`);
        }),
      ]);
      gateway.#pid = innermost(gateway.#child!.pid!);
    } catch (error) {
      await gateway.kill();
      throw error;
    }
    return gateway;
  }

  get control_port(): number {
    return this.ports.control;
  }

  get pid(): number {
    return this.#pid;
  }

  get resident_bytes(): number {
    return residentBytes(this.#pid);
  }

  get open_descriptors(): number {
    return openDescriptors(this.#pid);
  }

  /**
   * The gateway holds no more than so many descriptors, now or soon: what it has turned away is
   * closed a moment after it was accepted, and nothing tells when.
   */
  async descriptorsAtMost(count: number, ms = patience_ms): Promise<void> {
    const until = Date.now() + ms;
    while (this.open_descriptors > count) {
      if (Date.now() > until) {
        throw new Error(
          `${this.open_descriptors} descriptors after ${ms} ms; ${count} are allowed`,
        );
      }
      await turn();
    }
  }

  /** Starts the process without waiting for anything. */
  launch(): void {
    const { executable, settings = {}, environment } = this.#options;
    this.#folder = mkdtempSync(join(tmpdir(), "relayx-e2e-"));
    this.configure(settings);
    const args = ["--config_path", this.config_path];
    const [command, command_args] = executable
      ? [executable, args]
      : commandLine(this.#options.runtime ?? runtimeUnderTest(), args);
    const child = spawn(command, command_args, {
      cwd: executable ? this.#folder : repository,
      env: environment ?? plainEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    this.#pid = child.pid ?? 0;
    child.on("error", (error) => this.#exit.reject(error));
    child.on("close", (code, signal) => {
      this.log.end(new Error(`the gateway has ended (${signal ?? code}):\n${this.stderr}`));
      this.#exit.resolve({ code, signal });
    });
    let tail = "";
    child.stdout!.setEncoding("utf8").on("data", (text: string) => {
      const lines = (tail + text).split("\n");
      tail = lines.pop() ?? "";
      for (const line of lines) this.#takeLine(line);
    });
    child.stderr!.setEncoding("utf8").on("data", (text: string) => {
      this.stderr = (this.stderr + text).slice(-65_536);
    });
  }

  get config_path(): string {
    return join(this.#folder, "config.yaml");
  }

  /** Writes the configuration file; the gateway reads it when it is started or told to. */
  configure(settings: Settings): void {
    // JSON is YAML, and no library of ours stands between the test and the gateway's reader.
    writeFileSync(this.config_path, JSON.stringify(this.#merged(settings), null, 2));
  }

  /** Writes the file anew and has the gateway read it; resolves with its word on it. */
  async reload(settings: Settings): Promise<LogLine> {
    this.configure(settings);
    this.signal("SIGHUP");
    return await this.log.take(
      "the end of the reload",
      ({ status }) => status === "reloaded" || status === "reload_refused",
    );
  }

  /** The first line with this status and these fields, already written or still to come. */
  logged(
    status: string,
    fields: Record<string, unknown> = {},
    ms = patience_ms,
  ): Promise<LogLine> {
    return this.log.see(
      `log line ${JSON.stringify({ status, ...fields })}`,
      (line) => matches(line, { status, ...fields }),
      ms,
    );
  }

  /** Like {@link logged}, but the line is used up: asked again, the next one is waited for. */
  takeLogged(status: string, fields: Record<string, unknown> = {}): Promise<LogLine> {
    return this.log.take(
      `log line ${JSON.stringify({ status, ...fields })}`,
      (line) => matches(line, { status, ...fields }),
    );
  }

  /** Lines with this status and these fields that have been written so far. */
  linesOf(status: string, fields: Record<string, unknown> = {}): LogLine[] {
    return this.log.items.filter((line) => matches(line, { status, ...fields }));
  }

  /** The words are on the standard error, now or soon: it is read apart from the log. */
  async complained(words: string, ms = patience_ms): Promise<void> {
    const until = Date.now() + ms;
    while (!this.stderr.includes(words)) {
      if (Date.now() > until) throw new Error(`no "${words}" within ${ms} ms in: ${this.stderr}`);
      await turn();
    }
  }

  async statusPage(): Promise<StatusPage> {
    const host = this.host.includes(":") ? `[${this.host}]` : this.host;
    const answer = await within(
      "GET /status",
      fetch(`http://${host}:${this.control_port}/status`, { headers: { connection: "close" } }),
    );
    if (answer.status !== 200) throw new Error(`GET /status: ${answer.status}`);
    return await answer.json() as StatusPage;
  }

  /** Asks `GET /status` again and again until it says what is expected. */
  async statusUntil(
    label: string,
    matches: (page: StatusPage) => boolean,
    ms = patience_ms,
  ): Promise<StatusPage> {
    const until = Date.now() + ms;
    for (;;) {
      const page = await this.statusPage();
      if (matches(page)) return page;
      if (Date.now() > until) {
        throw new Error(`${label}: not within ${ms} ms, ${JSON.stringify(page)}`);
      }
    }
  }

  /** How many ports of both pools are reserved or occupied at this moment. */
  async portsInUse(): Promise<number> {
    const { zmq, srt } = (await this.statusPage()).port_state;
    return zmq.reserved + zmq.occupied + srt.reserved + srt.occupied;
  }

  /** Every port of both pools is idle. */
  async allPortsIdle(ms = patience_ms): Promise<void> {
    await this.statusUntil(
      "every port idle",
      ({ port_state: { zmq, srt } }) => zmq.idle === zmq.total && srt.idle === srt.total,
      ms,
    );
  }

  signal(name: "SIGTERM" | "SIGINT" | "SIGKILL" | "SIGHUP"): void {
    process.kill(this.#pid, name);
  }

  exited(ms = patience_ms): Promise<Exit> {
    return within("the gateway's exit", this.#exit.promise, ms);
  }

  /** Stops the gateway the orderly way; anything but exit code 0 is a failure. */
  async stop(): Promise<void> {
    try {
      this.signal("SIGTERM");
      const { code, signal } = await this.exited();
      if (code !== 0) {
        throw new Error(`the gateway ended with ${signal ?? code} on SIGTERM:\n${this.stderr}`);
      }
    } finally {
      await this.kill();
    }
  }

  /** Makes sure that nothing is left, whatever state it is in. */
  async kill(): Promise<void> {
    const child = this.#child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const gone = new Promise((resolve) => child.once("close", resolve));
      if (this.#pid !== child.pid) tryKill(this.#pid);
      tryKill(child.pid!);
      await gone;
    }
    rmSync(this.#folder, { recursive: true, force: true });
    await this.ports.release();
  }

  #merged(settings: Settings): Settings {
    const { control, tcp, srt } = this.ports;
    const base: Settings = {
      gateway: { bind_address: this.host, tcp_port: control, shutdown_timeout: "300ms" },
      zeromq: { port_range: `${tcp.first}-${tcp.last}` },
      gosrt: { port_range: `${srt.first}-${srt.last}` },
      // Many gateways run at once, and only tests of it need an admin port.
      admin: { port: "off" },
      logging: { level: "info", format: "json", output: "console" },
    };
    for (const [section, keys] of Object.entries(settings)) {
      base[section] = { ...base[section], ...keys };
    }
    return base;
  }

  #takeLine(line: string): void {
    try {
      this.log.push(JSON.parse(line) as LogLine);
    } catch {
      this.stray.push(line);
    }
  }
}

function matches(line: LogLine, fields: Record<string, unknown>): boolean {
  return Object.entries(fields).every(([name, value]) => line[name] === value);
}

function tryKill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone already, which is what was wanted.
  }
}
