/** `relayx ban`, `relayx unban` and `relayx bans`: who is kept out. */
import type { Command } from "commander";
import type { BanRow } from "../../admin/answers.ts";
import type { Surroundings } from "../program.ts";
import { adminCommand, type AdminFlags, order, show } from "./order.ts";

const SUBJECT_TEXT =
  "\nA subject is an address or a network (192.0.2.7, 2001:db8::/64), or id:NAME for a peer's id.";

type BanFlags = AdminFlags & { for?: string; reason: string; sessions?: true };

export function addBan(program: Command, around: Surroundings): void {
  adminCommand(program, "ban <subject>", "keep an address or a peer out, at once")
    .option("--for <duration>", "for so long, for instance 12h; without it until unban")
    .option("--reason <text>", "kept with the ban", "")
    .option("--sessions", "end the sessions of whoever is meant as well")
    .addHelpText("after", SUBJECT_TEXT)
    .action((subject: string, flags: BanFlags) =>
      order("ban", { flags, around }, async (client) => {
        const { banAnswer } = await import("../../admin/answers.ts");
        const { durationFlag } = await import("../../tools/flags.ts");
        const duration_ms = flags.for === undefined ? null : durationFlag("--for", flags.for);
        const { reason, sessions } = flags;
        const body = { subject: fullSubject(subject), duration_ms, reason, sessions };
        const answer = await client.ask("/api/v1/bans", banAnswer, { method: "POST", body });
        const table = await tableMaker();
        await show(answer, { flags, around }, (ban) => table([ban]));
      })
    );
}

export function addUnban(program: Command, around: Surroundings): void {
  adminCommand(program, "unban <subject>", "take a ban back")
    .addHelpText("after", SUBJECT_TEXT)
    .action((subject: string, flags: AdminFlags) =>
      order("unban", { flags, around }, async (client) => {
        const { kickAnswer } = await import("../../admin/answers.ts");
        const path = `/api/v1/bans/${encodeURIComponent(fullSubject(subject))}`;
        const answer = await client.ask(path, kickAnswer, { method: "DELETE" });
        await show(answer, { flags, around }, () => "the ban is taken back\n");
      })
    );
}

export function addBans(program: Command, around: Surroundings): void {
  adminCommand(program, "bans", "show who is kept out").action((flags: AdminFlags) =>
    order("bans", { flags, around }, async (client) => {
      const { bansAnswer } = await import("../../admin/answers.ts");
      const answer = await client.ask("/api/v1/bans", bansAnswer);
      const table = await tableMaker();
      await show(
        answer,
        { flags, around },
        ({ bans }) => bans.length === 0 ? "nobody is kept out\n" : table(bans),
      );
    })
  );
}

/** What is no address and no id by its own word is an address. */
function fullSubject(subject: string): string {
  return /^(?:address|id):/.test(subject) ? subject : `address:${subject}`;
}

async function tableMaker(): Promise<(bans: readonly BanRow[]) => string> {
  const { textTable } = await import("../../tools/table.ts");
  const { printable } = await import("../../tools/printable.ts");
  const iso = (unix_ms: number) => new Date(unix_ms).toISOString();
  return (bans) =>
    textTable(
      ["SUBJECT", "SINCE", "UNTIL", "REASON"],
      bans.map(({ subject, since_unix_ms, until_unix_ms, reason }) => ({
        cells: [
          printable(subject),
          iso(since_unix_ms),
          until_unix_ms === null ? "unban" : iso(until_unix_ms),
          printable(reason, 200),
        ],
      })),
    );
}
