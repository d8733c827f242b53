/** `relayx sessions`: who is connected to whom, how fast, and what holds them back. */
import type { Command } from "commander";
import type { SessionRow } from "../../admin/answers.ts";
import type { Surroundings } from "../program.ts";
import { adminCommand, type AdminFlags, order, show } from "./order.ts";

/** How often `--watch` looks; telemetry has new figures once a second. */
const WATCH_MS = 1000;
/** Clears the terminal and goes to its upper left corner. */
const CLEAR = "\x1b[2J\x1b[H";

const HEAD = [
  "SESSION",
  "CLIENT",
  "SERVER",
  "PLANE",
  "PORT",
  "STATE",
  "SINCE",
  "UP MBIT/S",
  "DOWN",
  "RTT MS",
  "LOSS",
];

export function addSessions(program: Command, around: Surroundings): void {
  adminCommand(program, "sessions", "show the sessions of a running gateway")
    .option("--watch", "show them again every second, until interrupted")
    .action((flags: AdminFlags & { watch?: boolean }) =>
      order("sessions", { flags, around }, async (client) => {
        const { sessionsAnswer } = await import("../../admin/answers.ts");
        const { askUntilAnswered, sleepUnlessAborted } = await import("./watch.ts");
        const { Interrupt } = await import("../interrupt.ts");
        const table = await tableMaker();
        const onLost = ({ message }: Error) =>
          around.stderr(`relayx sessions: ${message} Tried again every second.\n`);
        const interrupt = new Interrupt();
        if (flags.watch) interrupt.start();
        try {
          do {
            const ask = () => client.ask("/api/v1/sessions", sessionsAnswer);
            const answer = flags.watch
              ? await askUntilAnswered(ask, { signal: interrupt.signal, onLost })
              : await ask();
            if (answer === null) break;
            if (flags.watch && !flags.json) around.stdout(CLEAR);
            await show(answer, { flags, around }, ({ sessions }) => table(sessions, Date.now()));
          } while (flags.watch && await sleepUnlessAborted(WATCH_MS, interrupt.signal));
        } finally {
          interrupt.close();
        }
      })
    );
}

async function tableMaker() {
  const { textTable } = await import("../../tools/table.ts");
  const { since } = await import("../../tools/wording.ts");
  const { printable } = await import("../../tools/printable.ts");
  const { BOTTLENECK_WORDS } = await import("../../data/bottleneck.ts");
  const words: Readonly<Record<string, string>> = BOTTLENECK_WORDS;
  const mbit = (bps: number) => (bps / 1e6).toFixed(2);
  return (sessions: readonly SessionRow[], now_unix_ms: number): string => {
    if (sessions.length === 0) return "no sessions\n";
    const rows = sessions.flatMap((session) =>
      session.ports.map((port) => ({
        cells: [
          session.session_id,
          printable(session.client_id, 32),
          printable(session.server_id, 32),
          session.protocol === undefined ? port.kind : `v1 ${port.kind}`,
          String(port.port),
          port.waiting === null ? port.phase : `${port.waiting} waits`,
          since(session.since_unix_ms, now_unix_ms),
          mbit(port.bps_up),
          mbit(port.bps_down),
          port.rtt_ms.toFixed(1),
          `${port.loss_pct.toFixed(1)}%`,
        ],
        tail: [...new Set([port.bottleneck_up, port.bottleneck_down])]
          .filter((word) => word !== "unknown" && word !== "idle")
          .map((word) => words[word] ?? printable(word)).join("; "),
      }))
    );
    return textTable(HEAD, rows);
  };
}
