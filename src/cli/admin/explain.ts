/** `relayx explain`: what became of a session or a peer, and why, in sentences. */
import type { Command } from "commander";
import type { Surroundings } from "../program.ts";
import { adminCommand, type AdminFlags, order, pathWith, show } from "./order.ts";

export function addExplain(program: Command, around: Surroundings): void {
  adminCommand(
    program,
    "explain <subject>",
    "say why a session, or the client or server of this id, was paired, refused, slow or closed",
  ).action((subject: string, flags: AdminFlags) =>
    order("explain", { flags, around }, async (client) => {
      const { explainAnswer } = await import("../../admin/answers.ts");
      const { printable } = await import("../../tools/printable.ts");
      const path = pathWith("/api/v1/explain", "subject", subject);
      const answer = await client.ask(path, explainAnswer);
      await show(
        answer,
        { flags, around },
        ({ sentences }) => sentences.map((sentence) => `${printable(sentence, 2000)}\n`).join(""),
      );
    })
  );
}
