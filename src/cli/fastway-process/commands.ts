/**
 * The commands of `fastway.cmd`, one to a file:
 *
 *   help
 *   cpuprof start | stop
 *   lookup block | gc | goroutine | heap | threadcreate [N]
 *
 * N was the original's level of detail; it is taken and changes nothing.
 */

export const LOOKUPS = ["block", "gc", "goroutine", "heap", "threadcreate"] as const;
export type Lookup = typeof LOOKUPS[number];

export type ProcessCommand =
  | { name: "help" }
  | { name: "cpuprof"; action: "start" | "stop" }
  | { name: "lookup"; what: Lookup };

/** What each does here, for `help`. */
export const COMMANDS: Readonly<Record<string, string>> = {
  "help": "what there is, to the log",
  "cpuprof start": "begins to look where time is spent",
  "cpuprof stop": "ends it; fastway.cpu.prof opens in Chrome's DevTools, VS Code and speedscope",
  "lookup block": "how late the loops of all threads run, to fastway.block.prof",
  "lookup gc": "memory, and what the garbage collector does in a second, to the log",
  "lookup goroutine": "what runs, to fastway.goroutine.prof; there are no goroutines here",
  "lookup heap":
    "what the memory of each thread holds, to fastway.heap.prof and its like; they open " +
    "in Chrome's DevTools as heap snapshots",
  "lookup threadcreate":
    "the threads that there are, to fastway.threadcreate.prof; where they came " +
    "from is not known here",
};

/** Null: there is no such command. */
export function parseCommand(text: string): ProcessCommand | null {
  const [name, argument, level, ...more] = text.trim().split(/\s+/);
  if (more.length > 0) return null;
  if (name === "help") return argument === undefined ? { name } : null;
  if (name === "cpuprof" && level === undefined) {
    return argument === "start" || argument === "stop" ? { name, action: argument } : null;
  }
  const what = LOOKUPS.find((one) => one === argument);
  if (name !== "lookup" || what === undefined) return null;
  return level === undefined || /^\d{1,3}$/.test(level) ? { name, what } : null;
}
