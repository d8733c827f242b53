/** `relayx reload`: has a running gateway read its configuration anew. */
import type { Command } from "commander";
import type { Surroundings } from "../program.ts";
import { adminCommand, type AdminFlags, order, show } from "./order.ts";

export function addReload(program: Command, around: Surroundings): void {
  adminCommand(program, "reload", "have a running gateway read its configuration anew").action((
    flags: AdminFlags,
  ) =>
    order("reload", { flags, around }, async (client) => {
      const { reloadAnswer } = await import("../../admin/answers.ts");
      const answer = await client.ask("/api/v1/reload", reloadAnswer, { method: "POST", body: {} });
      await show(answer, { flags, around }, ({ applied, needs_restart }) => {
        const list = (keys: readonly string[]) => keys.length === 0 ? "nothing" : keys.join(", ");
        return `in force: ${list(applied)}\nneeds a restart: ${list(needs_restart)}\n`;
      });
    })
  );
}
