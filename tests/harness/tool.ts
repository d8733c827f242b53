/** A tool of relayx as a process: its output, and events in it. */
import { type ChildProcess, spawn } from "node:child_process";
import type { TransportReport } from "../../src/tools/video/report.ts";
import { within } from "./deadline.ts";
import { commandLine, plainEnvironment, repository, runtimeUnderTest } from "./runtime.ts";

export class Tool {
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  readonly exit: Promise<number>;

  constructor(args: string[]) {
    const [command, command_args] = commandLine(runtimeUnderTest(), args);
    const child = spawn(command, command_args, {
      cwd: repository,
      env: plainEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    child.stdout.on("data", (text) => this.#hear(() => this.stdout += text));
    child.stderr.on("data", (text) => this.#hear(() => this.stderr += text));
    this.exit = new Promise((resolve) => {
      child.once("close", (code, signal) => resolve(code ?? (signal === "SIGKILL" ? 137 : 1)));
    });
  }

  /** Resolves when the tool has written something that fits, on either output. */
  wrote(pattern: RegExp): Promise<void> {
    const seen = new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(this.stdout) && !pattern.test(this.stderr)) return;
        this.#waiting.delete(look);
        resolve();
      };
      this.#waiting.add(look);
      look();
      void this.exit.then((code) =>
        reject(new Error(`ended with ${code}:\n${this.stdout}${this.stderr}`))
      );
    });
    // A tool that is killed while a test ends early has nobody left to tell.
    seen.catch(() => {});
    return within(`${pattern} from a tool`, seen);
  }

  async exited(): Promise<number> {
    return await within("the tool's end", this.exit, 40_000);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  reports(): TransportReport[] {
    return this.stdout.trim().split("\n").filter((line) => line !== "").map((line) =>
      JSON.parse(line)
    );
  }

  async kill(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGKILL");
    }
    await this.exit;
  }

  #hear(take: () => void): void {
    take();
    for (const look of this.#waiting) look();
  }
}
