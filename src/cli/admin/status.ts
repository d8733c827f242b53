/** `relayx status`: how a running gateway is. */
import type { Command } from "commander";
import type { GatewayAnswer } from "../../admin/answers.ts";
import type { Surroundings } from "../program.ts";
import { adminCommand, type AdminFlags, order, show } from "./order.ts";

export function addStatus(program: Command, around: Surroundings): void {
  adminCommand(program, "status", "show how a running gateway is").action((flags: AdminFlags) =>
    order("status", { flags, around }, async (client) => {
      const { gatewayAnswer } = await import("../../admin/answers.ts");
      const { roughBytes, span } = await import("../../tools/wording.ts");
      const { printable } = await import("../../tools/printable.ts");
      const answer = await client.ask("/api/v1/gateway", gatewayAnswer);
      const text = (gateway: GatewayAnswer) =>
        lines(gateway, { roughBytes, span }).map(([name, value]) =>
          `${name.padEnd(10)} ${printable(value, 200)}\n`
        ).join("");
      await show(answer, { flags, around }, text);
    })
  );
}

interface Wording {
  roughBytes(bytes: number): string;
  span(from_unix_ms: number, to_unix_ms: number): string;
}

function lines(gateway: GatewayAnswer, { roughBytes, span }: Wording): [string, string][] {
  const { connections, drain, now_unix_ms, planes, port_state, bytes, rlx1, fastway } = gateway;
  const rows: [string, string][] = [
    ["relayx", `${gateway.version}, protocol ${gateway.protocol}`],
    ["state", `${gateway.state}, since ${span(gateway.started_at_unix_ms, now_unix_ms)}`],
  ];
  if (drain !== null) {
    const left = drain.deadline_unix_ms === null
      ? "no deadline"
      : `${span(now_unix_ms, drain.deadline_unix_ms)} left`;
    rows.push(["draining", `for ${span(drain.since_unix_ms, now_unix_ms)}, ${left}`]);
  }
  rows.push(
    ["peers", `${connections.registered} registered, ${connections.unproven} unproven`],
    ["sessions", `${gateway.sessions}, ${gateway.waiting_requests} requests wait`],
  );
  for (const { kind, workers, workers_replaced, loop_lag_ms } of planes) {
    const { total, idle, reserved, occupied, blocked } = port_state[kind];
    rows.push(
      [
        `${kind} ports`,
        `${occupied} occupied, ${reserved} reserved, ${blocked} blocked, ${idle} idle of ${total}`,
      ],
      [`${kind} bytes`, `${roughBytes(bytes[kind].up)} up, ${roughBytes(bytes[kind].down)} down`],
      [`${kind} loop`, loop({ workers, workers_replaced, loop_lag_ms })],
    );
  }
  if (rlx1 !== undefined) {
    const { front_ends, back_ends, leases, ports } = rlx1;
    rows.push(["v1 peers", `${front_ends} FE, ${back_ends} BE, ${leases} leases`]);
    for (const [label, { total, busy, ready, empty, closed }] of Object.entries(ports)) {
      rows.push([
        `v1 ${label}`,
        `${busy} busy, ${ready} ready, ${empty} empty, ${closed} closed of ${total}`,
      ]);
    }
  }
  if (fastway !== undefined) rows.push(...fastwayLines(fastway, roughBytes));
  return rows;
}

function fastwayLines(
  fastway: NonNullable<GatewayAnswer["fastway"]>,
  roughBytes: Wording["roughBytes"],
): [string, string][] {
  const { ports, clients, servers, away, carried, refused, tls } = fastway;
  const ways = (side: "client" | "server") => {
    const { messages_in, messages_out, bytes_in, bytes_out } = carried[side];
    return `${messages_in} messages in (${roughBytes(bytes_in)}), ${messages_out} out (${
      roughBytes(bytes_out)
    })`;
  };
  return [
    ["fastway", `port ${ports.client} for clients, ${ports.server} for servers`],
    ...(tls === undefined ? [] : [tlsLine(tls)]),
    ["fw peers", `${clients} clients, ${servers} servers, ${away} of them away`],
    [
      "fw virtual",
      `${fastway.virtual} connections, ${fastway.virtual_total} since the start; dials refused: ` +
      `${refused.unknown} unknown, ${refused.limit} limit, ${refused.draining} draining`,
    ],
    ["fw clients", ways("client")],
    ["fw servers", ways("server")],
    [
      "fw memory",
      `${roughBytes(fastway.queue_bytes)} wait in ${fastway.queue_messages} messages; pool ${
        roughBytes(fastway.pool_used_bytes)
      } of ${roughBytes(fastway.pool_bytes)} in use`,
    ],
    ["fw loop", loop(fastway)],
  ];
}

function tlsLine(tls: NonNullable<NonNullable<GatewayAnswer["fastway"]>["tls"]>): [string, string] {
  const { ports: { client, server }, entering, open, refused_total, shed_total } = tls;
  const served = [
    ...(client === undefined ? [] : [`port ${client} for clients`]),
    ...(server === undefined ? [] : [`port ${server} for servers`]),
  ];
  const refused = `${refused_total + shed_total} refused`;
  return ["fw tls", `${served.join(", ")}; ${open} open, ${entering} entering, ${refused}`];
}

function loop(
  { workers, workers_replaced, loop_lag_ms }: Omit<
    GatewayAnswer["planes"][number],
    "kind" | "ports_open"
  >,
): string {
  return `${workers} ${workers === 1 ? "worker" : "workers"}, longest turn ${
    loop_lag_ms.map((ms) => ms === null ? "hangs" : `${ms.toFixed(1)} ms`).join(", ")
  }${workers_replaced > 0 ? `, ${workers_replaced} replaced` : ""}`;
}
