/** Runs one file of tests in a process of its own and counts its tests. */
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

export interface Result {
  passed: number;
  failed: number;
  /** What it wrote, both outputs in the order in which it came. */
  output: string;
  took_ms: number;
}

export async function runFile(
  { path, root, timeout_ms, file_ms_max, environment }: {
    /** From `root`. */
    path: string;
    root: string;
    /** The longest one test may take. */
    timeout_ms: number;
    /** The longest all of them may take together; the process is ended then. */
    file_ms_max: number;
    environment: Readonly<Record<string, string | undefined>>;
  },
): Promise<Result> {
  const folder = mkdtempSync(join(tmpdir(), "relayx-tests-"));
  const report = join(folder, "report.xml");
  const began_ms = performance.now();
  try {
    const child = spawn("bun", [
      ...["test", `./${path}`, `--timeout=${timeout_ms}`],
      ...["--reporter=junit", `--reporter-outfile=${report}`],
    ], { cwd: root, env: environment, stdio: ["ignore", "pipe", "pipe"] });
    const written: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (bytes: Buffer) => written.push(bytes));
    }
    const limit = setTimeout(() => {
      written.push(Buffer.from(`\nended: it has run for ${file_ms_max} ms, the most allowed\n`));
      child.kill("SIGKILL");
    }, file_ms_max);
    const read = new Promise((resolve) => child.once("close", resolve));
    const code = await new Promise<number>((resolve, reject) => {
      child.once("error", reject);
      child.once("exit", (code, signal) => {
        if (signal) written.push(Buffer.from(`\nended by ${signal}\n`));
        // A signal instead of a code is a crash.
        resolve(code ?? 1);
      });
    });
    clearTimeout(limit);
    // Something that it has left behind may hold its outputs open for ever.
    const patience = Promise.withResolvers<void>();
    const patient = setTimeout(patience.resolve, LAST_WORDS_MS_MAX);
    await Promise.race([read, patience.promise]);
    clearTimeout(patient);
    child.stdout.destroy();
    child.stderr.destroy();
    const { passed, failed } = count(report);
    return {
      passed,
      // Without a single failed test the runner itself has failed: a crash, or an error outside tests.
      failed: code !== 0 && failed === 0 ? 1 : failed,
      output: Buffer.concat(written).toString(),
      took_ms: performance.now() - began_ms,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** For what a process wrote just before its end to be read, ms. */
const LAST_WORDS_MS_MAX = 2000;

function count(report: string): { passed: number; failed: number } {
  let xml: string;
  try {
    xml = readFileSync(report, "utf8");
  } catch {
    return { passed: 0, failed: 1 };
  }
  const head = /<testsuites\b[^>]*>/.exec(xml)?.[0] ?? "";
  const number = (name: string) => Number(new RegExp(`\\b${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = number("failures") + number("errors");
  return { passed: number("tests") - failed - number("skipped"), failed };
}

/** Runs a command with its output passed straight on; resolves with its exit code. */
export function runCheck(
  { command, root, environment }: {
    command: readonly string[];
    root: string;
    environment: Readonly<Record<string, string | undefined>>;
  },
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], command.slice(1), {
      cwd: root,
      env: environment,
      stdio: ["ignore", "inherit", "inherit"],
    });
    child.once("error", reject);
    child.once("exit", (code) => resolve(code ?? 1));
  });
}

/** The seed of a run's randomness by what it wrote, so that another run can have the same; or none. */
export function seedOf(output: string): string | null {
  return /RELAYX_SEED=(\d+)/.exec(output)?.[1] ?? null;
}

/** Our environment with the tools of the repository in reach. */
export function withTools(root: string, separator: string): Record<string, string | undefined> {
  const path = [join(root, "node_modules", ".bin"), process.env.PATH ?? ""].join(separator);
  return { ...process.env, PATH: path };
}
