/** Programs that use the client library, as processes on each runtime that it is for. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { within } from "./deadline.ts";
import { plainEnvironment, repository } from "./runtime.ts";

export type ProgramRuntime = "bun" | "deno" | "node";
export const program_runtimes: readonly ProgramRuntime[] = ["bun", "deno", "node"];

const tools = `${repository}node_modules/.bin/`;
const library = `${repository}clients/fastway`;

/** The library as a Node project has it: built, in a folder of modules. */
export class BuiltLibrary {
  readonly folder = mkdtempSync(join(tmpdir(), "relayx-fastway-client-"));
  readonly path = join(this.folder, "node_modules", "fastway-client");

  static async build(): Promise<BuiltLibrary> {
    const built = new BuiltLibrary();
    mkdirSync(built.path, { recursive: true });
    cpSync(`${library}/package.json`, join(built.path, "package.json"));
    const args = ["-p", `${library}/tsconfig.build.json`, "--outDir", join(built.path, "dist")];
    await promisify(execFile)(`${tools}tsc`, args);
    return built;
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** The command line of a program, which is JavaScript for Node and TypeScript for the others. */
export function programLine(
  runtime: ProgramRuntime,
  { ts, js }: { ts: string; js: string },
): string[] {
  if (runtime === "node") return ["node", js];
  if (runtime === "bun") return [`${tools}bun`, ts];
  return [`${tools}deno`, "run", "--quiet", "--allow-net", "--allow-sys", "--allow-env", ts];
}

export class Program {
  output = "";
  readonly exit: Promise<number>;
  readonly #name: string;
  readonly #child: ChildProcess;
  readonly #looking = new Set<() => void>();

  constructor(name: string, line: readonly string[]) {
    this.#name = name;
    const [command, ...args] = line;
    this.#child = spawn(command, args, { cwd: repository, env: plainEnvironment() });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on("data", (text) => {
        this.output += text;
        for (const look of this.#looking) look();
      });
    }
    this.#child.stdin!.on("error", () => {});
    this.exit = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code) => resolve(code ?? -1));
    });
    this.exit.catch(() => {});
  }

  say(line: string): void {
    this.#child.stdin!.write(`${line}\n`);
  }

  /** Resolves when this text is in the output, from `from` on; answers where it ends. */
  wrote(text: string, from = 0): Promise<number> {
    const seen = new Promise<number>((resolve, reject) => {
      const look = () => {
        const at = this.output.indexOf(text, from);
        if (at < 0) return;
        this.#looking.delete(look);
        resolve(at + text.length);
      };
      this.#looking.add(look);
      look();
      const ended = (code: unknown) =>
        reject(new Error(`${this.#name} ended with ${code} before "${text}":\n${this.output}`));
      this.exit.then(ended, ended);
    });
    seen.catch(() => {});
    return within(`"${text}" from ${this.#name}, which wrote:\n${this.output}`, seen);
  }

  ended(): Promise<number> {
    return within(`the end of ${this.#name}, which wrote:\n${this.output}`, this.exit, 40_000);
  }

  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.exit.catch(() => {});
  }
}
