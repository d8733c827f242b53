/** What a process tells of itself as text: its threads, how late they run, and what they are at. */
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";

const TASKS = "/proc/self/task";
/** Fields of `/proc/PID/stat` behind the name, from 0; see proc(5). Times are in 1/100 s. */
const STATE = 0;
const USER_TICKS = 11;
const SYSTEM_TICKS = 12;
const STARTED_TICKS = 19;
const TICKS_PER_S = 100;

/** One line per thread of the kernel. */
export function threadsText(): string {
  const lines = readdirSync(TASKS).map(Number).toSorted((a, b) => a - b).flatMap((id) => {
    const stat = read(`${TASKS}/${id}/stat`);
    // It may have ended since.
    if (stat === "") return [];
    const name = stat.slice(stat.indexOf("(") + 1, stat.lastIndexOf(")"));
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const seconds = (at: number) => (Number(fields[at]) / TICKS_PER_S).toFixed(2);
    return [[
      String(id).padStart(8),
      name.padEnd(16),
      fields[STATE].padEnd(5),
      seconds(USER_TICKS).padStart(10),
      seconds(SYSTEM_TICKS).padStart(10),
      seconds(STARTED_TICKS).padStart(14),
      read(`${TASKS}/${id}/wchan`).replace(/^0$/, "") || "-",
    ].join(" ")];
  });
  return [
    `${lines.length} threads. Where in the program each was started is not known to this runtime.`,
    "",
    [
      "thread".padStart(8),
      "name".padEnd(16),
      "state",
      "user s".padStart(10),
      "system s".padStart(10),
      "started after".padStart(14),
      "waits in",
    ].join(" "),
    ...lines,
    "",
    '"started after" is in seconds since the machine was started; states are those of proc(5).',
    "",
  ].join("\n");
}

/** The loops of the workers of one plane. */
export interface Loops {
  readonly loop_lag_ms: readonly (number | null)[];
}

/** A loop that is late keeps everything waiting that it carries. */
export function lagText(main_ms: number, planes: Readonly<Record<string, Loops | null>>): string {
  const lines = Object.entries(planes).flatMap(([name, loops]) =>
    (loops?.loop_lag_ms ?? []).map((ms, seat) =>
      `${name} worker ${seat}: `.padEnd(24) +
      (ms === null ? "hangs, or is being replaced" : `${ms.toFixed(1)} ms (last second)`)
    )
  );
  return [
    "Nothing blocks on locks here. What keeps others waiting is a turn of a loop that takes long:",
    "",
    "main thread:".padEnd(24) + `${main_ms.toFixed(1)} ms (last 15 seconds)`,
    ...lines,
    "",
    'Where that time is spent is what "cpuprof start" and "cpuprof stop" tell.',
    "",
  ].join("\n");
}

/** What there is in the place of goroutines. */
export function runningText(gateway: object): string {
  const counts = new Map<string, number>();
  for (const kind of process.getActiveResourcesInfo()) {
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const waiting = [...counts].map(([kind, count]) => `  ${kind}: ${count}`);
  return [
    "There are no goroutines here: one main thread does what is decided, and data workers carry bytes,",
    "each in one loop for all of its connections. The stacks of both over some time are what",
    '"cpuprof start" and "cpuprof stop" tell.',
    "",
    "What the main thread waits for:",
    ...(waiting.length > 0 ? waiting : ["  this runtime does not tell"]),
    "",
    "What runs:",
    JSON.stringify(gateway, null, 2),
    "",
  ].join("\n");
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}
