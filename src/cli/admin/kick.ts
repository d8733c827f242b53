/** `relayx kick`: ends a session, the registration of a client or a server, or an endpoint of fastway. */
import type { Command } from "commander";
import type { Surroundings } from "../program.ts";
import { adminCommand, type AdminFlags, order, pathWith, show } from "./order.ts";

interface KickFlags extends AdminFlags {
  client?: string;
  server?: string;
  endpoint?: string;
  sessions?: boolean;
}

export function addKick(program: Command, around: Surroundings): void {
  const what = "end a session, a peer's registration, or an endpoint of fastway";
  adminCommand(program, "kick [session_id]", what)
    .option("--client <id>", "the client of this id instead of a session")
    .option("--server <id>", "the server of this id instead of a session")
    .option("--endpoint <number>", "the endpoint of fastway with this number instead of a session")
    .option("--sessions", "with the peer, its sessions as well")
    .action((session_id: string | undefined, flags: KickFlags) =>
      order("kick", { flags, around }, async (client) => {
        const { kickAnswer } = await import("../../admin/answers.ts");
        const path = await pathOf(session_id, flags);
        const answer = await client.ask(path, kickAnswer, { method: "DELETE" });
        await show(answer, { flags, around }, ({ ended }) => `${ended} ended\n`);
      })
    );
}

async function pathOf(session_id: string | undefined, flags: KickFlags): Promise<string> {
  const { FlagError } = await import("../../tools/flags.ts");
  const { client, server, endpoint, sessions = false } = flags;
  const named = [session_id, client, server, endpoint].filter((one) => one !== undefined);
  if (named.length !== 1) {
    const found = named.length === 0 ? "nothing" : named.join(" ");
    const allowed = "one of SESSION_ID, --client ID, --server ID and --endpoint NUMBER";
    throw new FlagError("what to end", found, allowed);
  }
  if (endpoint !== undefined) {
    if (sessions) throw new FlagError("--sessions", "true", "only with --client or --server");
    if (!/^\d{1,16}$/.test(endpoint)) {
      throw new FlagError("--endpoint", endpoint, 'a number, as "relayx endpoints" shows it');
    }
    return `/api/v1/fastway/endpoints/${endpoint}`;
  }
  if (session_id !== undefined) {
    if (sessions) throw new FlagError("--sessions", "true", "only with --client or --server");
    return `/api/v1/sessions/${encodeURIComponent(session_id)}`;
  }
  const role = client !== undefined ? "client" : "server";
  return pathWith(`/api/v1/registrations/${role}`, "id", named[0], [`sessions=${sessions}`]);
}
