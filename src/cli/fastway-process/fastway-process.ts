/**
 * What the original program does as a process: `fastway.pid` while it runs, and on SIGUSR1 the command
 * in `fastway.cmd`, whose results are files beside it. A folder that takes no files is worth a warning
 * and nothing more: who serves goes on serving.
 */
import { clearTimeout, setTimeout } from "node:timers";
import { join } from "node:path";
import { FileProblem } from "../../config/bounded-file.ts";
import { type Probed, writeHeap } from "../../data/thread-probe.ts";
import type { Log } from "../../observe/log.ts";
import { LoopLag } from "../../observe/loop-lag.ts";
import { COMMANDS, parseCommand, type ProcessCommand } from "./commands.ts";
import { garbageFigures } from "./garbage.ts";
import { PidFile } from "./pid-file.ts";
import { ProcessFolder } from "./process-folder.ts";
import { ProcessProfile } from "./process-profile.ts";
import { UnaskedDebugger } from "./unasked-debugger.ts";
import { lagText, type Loops, runningText, threadsText } from "./process-texts.ts";

const SIGNAL = "SIGUSR1";
const COMMAND_FILE = "fastway.cmd";
const COMMAND_BYTES_MAX = 4096;
/** Signals that come while commands run; more of them are told and forgotten. */
const WAITING_MAX = 4;
/** A profile grows by a few hundred bytes per millisecond and thread: a forgotten one has an end. */
const PROFILE_MS_MAX = 600_000;

/** The gateway as it is looked at. */
export interface ProcessSubject extends Probed {
  snapshot(): {
    planes: readonly (Loops & { kind: string })[];
    rlx1: Loops | null;
    fastway: Loops | null;
  };
}

/** The part of `process` that is used. */
export interface SignalSource {
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

export interface FastwayProcessOptions {
  /** `fastway.process_folder`. */
  folder: string;
  pid: number;
  log: Log;
  host: SignalSource;
  gateway: ProcessSubject;
  profile_ms_max?: number;
}

export class FastwayProcess {
  readonly #options: FastwayProcessOptions;
  readonly #folder: ProcessFolder;
  readonly #pid_file: PidFile;
  readonly #profile: ProcessProfile;
  readonly #lag = new LoopLag();
  readonly #debugger: UnaskedDebugger;
  readonly #signalled = () => this.#onSignal();
  #profile_end: ReturnType<typeof setTimeout> | undefined;
  #waiting = 0;
  #latest: Promise<void> = Promise.resolve();

  constructor(options: FastwayProcessOptions) {
    this.#options = options;
    this.#folder = new ProcessFolder(options.folder);
    this.#pid_file = new PidFile({ folder: this.#folder, pid: options.pid });
    this.#profile = new ProcessProfile({ workers: options.gateway });
    this.#debugger = new UnaskedDebugger({
      onClosed: (url) =>
        options.log.warn(
          { status: "debugger_closed", url },
          `the runtime opened a debugger because of ${SIGNAL}; it is closed again`,
        ),
    });
  }

  start(): void {
    const { host, log } = this.#options;
    // Before the number can be read: without this the signal would end the process.
    host.on(SIGNAL, this.#signalled);
    this.#debugger.start();
    this.#lag.start();
    const folder = this.#folder.path;
    try {
      const other = this.#pid_file.claim();
      if (other === null) return;
      log.warn(
        { status: "pid_file_taken", folder, other_pid: other },
        "fastway.pid is that of another relayx, or of fastway itself, which runs; give each a " +
          "fastway.process_folder",
      );
    } catch (error) {
      log.warn(
        { status: "process_folder_error", folder, error: wordsOf(error) },
        "there is no fastway.pid, as the folder takes no files; set fastway.process_folder to one " +
          'that this user may write to, or to "" for none',
      );
    }
  }

  /** A profile that is being taken is lost. */
  close(): void {
    clearTimeout(this.#profile_end);
    this.#debugger.close();
    this.#lag.close();
    this.#options.host.off(SIGNAL, this.#signalled);
    try {
      this.#pid_file.release();
    } catch {
      // The folder has gone or is no longer ours to write to; the log is closed already.
    }
  }

  #onSignal(): void {
    this.#debugger.expect();
    if (this.#waiting === WAITING_MAX) {
      this.#options.log.warn(
        { status: "command_refused", waiting: this.#waiting },
        `${SIGNAL} came while others wait; try again when they are done`,
      );
      return;
    }
    this.#waiting++;
    this.#latest = this.#latest.then(() => this.#runFile()).finally(() => this.#waiting--);
  }

  async #runFile(): Promise<void> {
    const { log } = this.#options;
    let text: string;
    try {
      text = this.#folder.read(COMMAND_FILE, COMMAND_BYTES_MAX);
    } catch (error) {
      const file = this.#folder.file(COMMAND_FILE);
      log.warn(
        { status: "command_unreadable", file, error: wordsOf(error) },
        "the file of commands cannot be read",
      );
      return;
    }
    const command = parseCommand(text);
    const shown = text.trim().slice(0, 64);
    if (command === null) {
      log.warn(
        { status: "command_unknown", command: shown, allowed: Object.keys(COMMANDS) },
        `${COMMAND_FILE} has no command that there is`,
      );
      return;
    }
    await this.#run(shown, command);
  }

  async #run(shown: string, command: ProcessCommand): Promise<void> {
    const { log } = this.#options;
    try {
      const fields = await this.#carryOut(command);
      log.info({ status: "command_done", command: shown, ...fields }, "a command is carried out");
    } catch (error) {
      log.warn(
        { status: "command_failed", command: shown, error: wordsOf(error) },
        "a command could not be carried out",
      );
    }
  }

  async #carryOut(command: ProcessCommand): Promise<Record<string, unknown>> {
    if (command.name === "help") return { commands: COMMANDS };
    if (command.name === "cpuprof") {
      return command.action === "start" ? await this.#startProfile() : await this.#stopProfile();
    }
    const { gateway } = this.#options;
    switch (command.what) {
      case "gc":
        return { ...await garbageFigures() };
      case "heap":
        return await this.#heap();
      case "block":
        return await this.#text("block", lagText(this.#lag.worst_ms(), loopsOf(gateway)));
      case "goroutine":
        return await this.#text("goroutine", runningText(gateway.snapshot()));
      case "threadcreate":
        return await this.#text("threadcreate", threadsText());
    }
  }

  async #text(what: string, text: string) {
    const name = `fastway.${what}.prof`;
    await this.#folder.write(name, text);
    return { file: this.#folder.file(name) };
  }

  async #startProfile() {
    if (this.#profile.is_running) throw new Error("a profile is being taken already");
    const { profile_ms_max = PROFILE_MS_MAX } = this.#options;
    const started = await this.#profile.start();
    this.#profile_end = setTimeout(() => {
      this.#latest = this.#latest.then(() =>
        this.#profile.is_running
          ? this.#run("cpuprof stop, by itself", { name: "cpuprof", action: "stop" })
          : undefined
      );
    }, profile_ms_max);
    this.#profile_end.unref();
    return { ...started, ends_after_ms: profile_ms_max };
  }

  async #stopProfile() {
    if (!this.#profile.is_running) {
      throw new Error('none is being taken; "cpuprof start" begins one');
    }
    clearTimeout(this.#profile_end);
    const { text, ...threads } = await this.#profile.stop();
    return { ...await this.#text("cpu", text), ...threads };
  }

  /** A file for each thread; each stands still while it writes its own. */
  async #heap() {
    const missed: string[] = [];
    const files = await this.#folder.collect(async (folder) => {
      const written = new Map([["fastway.heap.prof", writeHeap(join(folder, "main"))]]);
      for (
        const { thread, path, error } of await this.#options.gateway.probe({ kind: "heap", folder })
      ) {
        if (path !== null) written.set(`fastway.heap.${thread.replaceAll(" ", "-")}.prof`, path);
        else missed.push(`${thread}: ${error}`);
      }
      return written;
    });
    return { files, missed };
  }
}

function loopsOf(gateway: ProcessSubject): Record<string, Loops | null> {
  const { planes, rlx1, fastway } = gateway.snapshot();
  return { fastway, ...Object.fromEntries(planes.map((plane) => [plane.kind, plane])), rlx1 };
}

function wordsOf(error: unknown): string {
  if (error instanceof FileProblem) return error.found;
  return error instanceof Error ? error.message : String(error);
}
