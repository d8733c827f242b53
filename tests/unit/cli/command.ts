/** A command of relayx inside the test's process. */
import { run } from "../../../src/cli/program.ts";

export async function relayx(args: string[], env: Record<string, string> = {}) {
  let stdout = "";
  let stderr = "";
  const code = await run(args, {
    stdout: (text) => stdout += text,
    stderr: (text) => stderr += text,
    env,
  });
  return { code: code ?? 0, stdout, stderr };
}
