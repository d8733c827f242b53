/** Which gateway is under test: the compiled binary, or the source on one of the runtimes. */
import { existsSync } from "node:fs";
import process from "node:process";
import { fileURLToPath } from "node:url";

export type Runtime = "binary" | "deno" | "bun";

export const repository = fileURLToPath(new URL("../../", import.meta.url));
export const binary_path = `${repository}dist/relayx`;

/** `RELAYX_RUNTIME` chooses for the whole suite; the compiled binary is what ships. */
export function runtimeUnderTest(): Runtime {
  const asked = process.env.RELAYX_RUNTIME ?? "binary";
  if (asked === "binary" || asked === "deno" || asked === "bun") return asked;
  throw new Error(`RELAYX_RUNTIME is "${asked}"; it may be binary, deno or bun`);
}

/** The command line that runs relayx with these arguments. */
export function commandLine(runtime: Runtime, args: string[]): [string, string[]] {
  const tools = `${repository}node_modules/.bin/`;
  if (runtime === "deno") return [`${tools}deno`, ["task", "--quiet", "start", ...args]];
  if (runtime === "bun") return [`${tools}bun`, ["src/main.ts", ...args]];
  if (!existsSync(binary_path)) {
    throw new Error(`${binary_path} is missing: run "npm run build" before the tests`);
  }
  return [binary_path, args];
}

/** Our environment without `RELAYX_…`: the gateway reads those as configuration. */
export function plainEnvironment(more: Record<string, string> = {}): Record<string, string> {
  const kept = Object.entries(process.env).filter(([name, value]) =>
    value !== undefined && !name.startsWith("RELAYX_")
  ) as [string, string][];
  return { ...Object.fromEntries(kept), ...more };
}
