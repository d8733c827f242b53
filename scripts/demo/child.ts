/** A program the demo has started: its output is kept, and it is stopped by its own process id. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

/** How long a program may take to stop after SIGTERM before it is killed. */
const STOP_MS = 5000;
/** Output kept for a failure, bytes. */
const TAIL_BYTES = 16 * 1024;

export interface ChildOptions {
  name: string;
  command: string;
  args: string[];
  env?: Record<string, string>;
  /** Shows standard error as it comes, for a progress line. */
  show_stderr?: boolean;
}

export class Child {
  readonly name: string;
  readonly exited: Promise<number>;
  readonly #child: ChildProcess;
  readonly #listeners = new Set<(line: string) => void>();
  #tail = "";
  #rest = "";

  constructor(options: ChildOptions) {
    this.name = options.name;
    const child = spawn(options.command, options.args, {
      env: { ...inherited(), ...options.env },
      stdio: ["ignore", "pipe", options.show_stderr === true ? "inherit" : "pipe"],
      // A Ctrl-C on the terminal goes to the demo alone, which then stops its children in order.
      detached: true,
    });
    this.#child = child;
    child.stdout?.on("data", (bytes: Uint8Array) => this.#read(bytes.toString()));
    child.stderr?.on("data", (bytes: Uint8Array) => this.#keep(bytes.toString()));
    this.exited = new Promise((resolve) => {
      child.once("error", (error) => {
        this.#keep(`${error.message}\n`);
        resolve(127);
      });
      child.once("exit", (code, signal) => resolve(code ?? (signal === null ? 1 : 128)));
    });
  }

  /** The last lines it has written. */
  tail(lines: number): string {
    return this.#tail.trimEnd().split("\n").slice(-lines).join("\n");
  }

  /** The first line on standard output that fits; rejects when the program ends before. */
  line(fits: (line: string) => boolean): Promise<string> {
    return new Promise((resolve, reject) => {
      const listen = (line: string) => {
        if (!fits(line)) return;
        this.#listeners.delete(listen);
        resolve(line);
      };
      this.#listeners.add(listen);
      void this.exited.then((code) =>
        reject(new Error(`${this.name} ended with code ${code}:\n${this.tail(20)}`))
      );
    });
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGTERM");
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.exited;
    clearTimeout(timer);
  }

  #read(text: string): void {
    this.#keep(text);
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      for (const listener of this.#listeners) listener(line);
    }
  }

  #keep(text: string): void {
    this.#tail = (this.#tail + text).slice(-TAIL_BYTES);
  }
}

/** The environment without the gateway's own keys, so that the demo runs the same everywhere. */
function inherited(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) =>
      !name.startsWith("RELAYX_") || name === "RELAYX_LIBSRT"
    ),
  );
}
