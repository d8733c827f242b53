/** `relayx endpoints`: who is connected by fastway, how much each carries, and what waits for it. */
import type { Command } from "commander";
import type { EndpointRow, EndpointsAnswer } from "../../admin/answers.ts";
import type { AdminClient } from "../../tools/admin-client.ts";
import type { Surroundings } from "../program.ts";
import { adminCommand, type AdminFlags, order, show } from "./order.ts";

/** Endpoints of one answer; more are asked for one page after another. */
const PAGE_ROWS = 5000;

const HEAD = [
  "ENDPOINT",
  "SIDE",
  "ID",
  "FROM",
  "OVER",
  "PRINCIPAL",
  "SINCE",
  "VIRTUAL",
  "IN MSG/S",
  "OUT",
  "IN MBIT/S",
  "OUT",
  "WAITING",
];

interface EndpointFlags extends AdminFlags {
  side?: string;
  id?: string;
}

export function addEndpoints(program: Command, around: Surroundings): void {
  adminCommand(program, "endpoints", "show who is connected by fastway")
    .option("--side <side>", "only clients, or only servers: client or server")
    .option("--id <id>", "only those with this id")
    .action((flags: EndpointFlags) =>
      order("endpoints", { flags, around }, async (client) => {
        const query = await queryOf(flags);
        const { endpoints, total } = await everyPage(client, query);
        const table = await tableMaker();
        const answer: EndpointsAnswer = { endpoints, next: null, total };
        await show(answer, { flags, around }, () => table(endpoints, Date.now()));
      })
    );
}

async function queryOf({ side, id }: EndpointFlags): Promise<string> {
  const { FlagError } = await import("../../tools/flags.ts");
  if (side !== undefined && side !== "client" && side !== "server") {
    throw new FlagError("--side", side, "client or server");
  }
  if (id !== undefined && !/^\d{1,10}$/.test(id)) {
    throw new FlagError("--id", id, "a number from 0 to 4294967295");
  }
  return `${side === undefined ? "" : `&side=${side}`}${id === undefined ? "" : `&id=${id}`}`;
}

/** Who leaves or comes while the pages are asked for is on them or not. */
async function everyPage(
  client: AdminClient,
  query: string,
): Promise<Pick<EndpointsAnswer, "endpoints" | "total">> {
  const { endpointsAnswer } = await import("../../admin/answers.ts");
  const endpoints: EndpointRow[] = [];
  for (let after: number | null = null;;) {
    const from: string = after === null ? "" : `&after=${after}`;
    const path = `/api/v1/fastway/endpoints?limit=${PAGE_ROWS}${query}${from}`;
    const page: EndpointsAnswer = await client.ask(path, endpointsAnswer);
    endpoints.push(...page.endpoints);
    if (page.next === null) return { endpoints, total: endpoints.length };
    after = page.next;
  }
}

async function tableMaker() {
  const { textTable } = await import("../../tools/table.ts");
  const { roughBytes, since } = await import("../../tools/wording.ts");
  const { printable } = await import("../../tools/printable.ts");
  const mbit = (bps: number) => (bps / 1e6).toFixed(2);
  return (endpoints: readonly EndpointRow[], now_unix_ms: number): string => {
    if (endpoints.length === 0) return "no endpoints\n";
    const rows = endpoints.map((one) => ({
      cells: [
        String(one.endpoint),
        one.side,
        String(one.id),
        printable(one.remote, 64),
        one.is_away ? `${one.transport}, away` : one.transport,
        printable(one.principal, 32),
        since(one.since_unix_ms, now_unix_ms),
        String(one.virtual),
        String(one.mps_in),
        String(one.mps_out),
        mbit(one.bps_in),
        mbit(one.bps_out),
        one.queue_messages === 0 ? "0" : `${one.queue_messages} (${roughBytes(one.queue_bytes)})`,
      ],
    }));
    return textTable(HEAD, rows);
  };
}
