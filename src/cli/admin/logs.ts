/** `relayx logs`: the latest events of a running gateway, wherever its log goes. */
import { type Command, Option } from "commander";
import type { EventRow } from "../../admin/answers.ts";
import type { Surroundings } from "../program.ts";
import { adminCommand, type AdminFlags, order } from "./order.ts";

/** The gateway holds its answer back for so long while nothing happens. */
const WAIT_MS = 20_000;
/** The most that one answer has. */
const LIMIT_MAX = 1000;

const LEVELS = ["debug", "info", "warn", "error"];

interface LogsFlags extends AdminFlags {
  follow?: boolean;
  lines: string;
  session?: string;
  id?: string;
  status?: string;
  level?: string;
}

export function addLogs(program: Command, around: Surroundings): void {
  adminCommand(program, "logs", "show the latest events of a running gateway")
    .option("-f, --follow", "go on with what happens next, until interrupted")
    .option("-n, --lines <count>", "how many of the latest", "50")
    .option("--session <session_id>", "only of this session")
    .option("--id <id>", "only of the client or server of this id")
    .option("--status <word>", "only of this kind")
    .addOption(
      new Option("--level <level>", "this and everything more important").choices(LEVELS),
    )
    .action((flags: LogsFlags) =>
      order("logs", { flags, around }, async (client) => {
        const { eventsAnswer } = await import("../../admin/answers.ts");
        const { numberFlag } = await import("../../tools/flags.ts");
        const { Interrupt } = await import("../interrupt.ts");
        const lines = numberFlag("--lines", flags.lines, { min: 0, max: LIMIT_MAX, whole: true });
        const line = await lineMaker(flags.json === true);
        const query = (extra: Record<string, string | number>) => {
          const asked = new URLSearchParams();
          const { session: session_id, id, status, level } = flags;
          const all = { session_id, id, status, level, ...extra };
          for (const [name, value] of Object.entries(all)) {
            if (value !== undefined) asked.set(name, String(value));
          }
          return `/api/v1/events?${asked}`;
        };
        // Without `after` the gateway answers with its latest ones.
        let answer = await client.ask(query({ limit: Math.max(1, lines) }), eventsAnswer);
        for (const event of lines === 0 ? [] : answer.events) around.stdout(line(event));
        if (!flags.follow) return;
        const { askUntilAnswered } = await import("./watch.ts");
        const onLost = ({ message }: Error) =>
          around.stderr(`relayx logs: ${message} Tried again every second.\n`);
        const interrupt = new Interrupt();
        interrupt.start();
        try {
          while (!interrupt.signal.aborted) {
            const path = query({ after: answer.last_seq, limit: LIMIT_MAX, wait_ms: WAIT_MS });
            const ask = () =>
              client.ask(path, eventsAnswer, { wait_ms: WAIT_MS, signal: interrupt.signal });
            // The numbers of a gateway that has started again go on behind those before.
            const next = await askUntilAnswered(ask, { signal: interrupt.signal, onLost });
            if (next === null) break;
            answer = next;
            if (answer.missed > 0) {
              around.stderr(`relayx logs: ${answer.missed} events came too fast to be shown\n`);
            }
            for (const event of answer.events) around.stdout(line(event));
          }
        } finally {
          interrupt.close();
        }
      })
    );
}

/** One event as one line: as the log's own text format has it, or as JSON. */
async function lineMaker(as_json: boolean): Promise<(event: EventRow) => string> {
  const { textLine } = await import("../../observe/log-text.ts");
  return (event) => {
    if (as_json) return `${JSON.stringify(event)}\n`;
    const { time_unix_ms, level, status, message, fields } = event;
    const time = new Date(time_unix_ms).toISOString();
    return textLine(JSON.stringify({ time, level, msg: message, status, ...fields }));
  };
}
