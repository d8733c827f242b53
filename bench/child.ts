/** Programs that the benchmark has started: their lines, their end, and that none is left behind. */
import { type ChildProcess, spawn } from "node:child_process";
import process from "node:process";

/** How long a program may take to stop after SIGTERM before it is killed, milliseconds. */
const STOP_MS = 3000;
/** The last output that is kept for the reason of a failure, characters. */
const TAIL_CHARACTERS = 8192;

export interface ChildOptions {
  name: string;
  command: string;
  args: string[];
  /** Where the program may leave files. */
  folder?: string;
}

export class Child {
  readonly name: string;
  readonly pid: number;
  /** When it was started, by `performance.now()`. */
  readonly started_ms = performance.now();
  /** Resolves with what ended it, such as `exit code 1`. */
  readonly ended: Promise<string>;
  readonly #process: ChildProcess;
  readonly #listeners = new Set<(line: string) => void>();
  #ended: string | null = null;
  #tail = "";
  #rest = "";

  constructor({ name, command, args, folder }: ChildOptions) {
    this.name = name;
    const child = spawn(command, args, {
      cwd: folder,
      env: environment(),
      stdio: ["pipe", "pipe", "pipe"],
      // A Ctrl-C on the terminal reaches the benchmark alone, which then stops the others in order.
      detached: true,
    });
    this.#process = child;
    this.pid = child.pid ?? 0;
    child.stdout!.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    child.stderr!.setEncoding("utf8").on("data", (text: string) => this.#read(text));
    // A program that has ended does not read any more; its end is told by `ended`.
    child.stdin!.on("error", () => {});
    this.ended = new Promise((resolve) => {
      const end = (how: string) => {
        this.#ended = how;
        resolve(how);
      };
      child.once(
        "error",
        (error: NodeJS.ErrnoException) =>
          end(error.code === "ENOENT" ? `${command} is not installed` : error.message),
      );
      child.once(
        "close",
        (code, signal) => end(signal === null ? `exit code ${code}` : `signal ${signal}`),
      );
    });
  }

  get alive(): boolean {
    return this.#ended === null;
  }

  /** The last lines it has written, for an error message. */
  get tail(): string {
    return this.#tail.trim();
  }

  onLine(listen: (line: string) => void): void {
    this.#listeners.add(listen);
  }

  write(line: string): void {
    this.#process.stdin!.write(line + "\n");
  }

  /** Rejects as soon as the program has ended; for races with what is expected of it. */
  async gone(): Promise<never> {
    const how = await this.ended;
    throw new Error(`${this.name} ended with ${how}${this.tail === "" ? "" : `: ${this.tail}`}`);
  }

  async stop(): Promise<void> {
    if (!this.alive) return;
    this.#process.kill("SIGTERM");
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS);
    await this.ended;
    clearTimeout(timer);
  }

  #read(text: string): void {
    this.#tail = (this.#tail + text).slice(-TAIL_CHARACTERS);
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) {
      for (const listen of this.#listeners) listen(line);
    }
  }
}

/** Starts programs and remembers them, so that one call at the end leaves nothing running. */
export class Children {
  readonly #living = new Set<Child>();

  start(options: ChildOptions): Child {
    const child = new Child(options);
    this.#living.add(child);
    void child.ended.then(() => this.#living.delete(child));
    return child;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#living].map((child) => child.stop()));
  }
}

/** Ours without what relayx would read as its configuration. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith("RELAYX_")),
  );
}
