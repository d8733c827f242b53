/** The program's entry: arguments in, exit code out. */
import process from "node:process";
import { processSurroundings, run } from "./cli/program.ts";

const exit_code = await run(process.argv.slice(2), processSurroundings());
// Ends the process even if something were still open: a second signal means "at once".
if (exit_code !== null) process.exit(exit_code);
