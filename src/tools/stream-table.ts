/** The named streams as a table for a terminal: one line for each, and one for each viewer below it. */
import { BOTTLENECK_WORDS } from "../data/bottleneck.ts";
import type { StreamListing } from "../data/plane.ts";
import { printable } from "./printable.ts";
import { type TableRow, textTable } from "./table.ts";
import { roughBytes, since } from "./wording.ts";

const HEAD = ["STREAM", "PUBLISHER", "USER", "SINCE", "MBIT/S", "LOSS", "VIEWERS", "IN", "OUT"];

export function streamTable(streams: readonly StreamListing[], now_unix_ms: number): string {
  if (streams.length === 0) {
    return "no streams are configured; the section streams of the configuration names them\n";
  }
  return textTable(HEAD, streams.flatMap((stream) => rowsOf(stream, now_unix_ms)));
}

function rowsOf(stream: StreamListing, now_unix_ms: number): TableRow[] {
  const { publisher, viewers, dropped } = stream;
  const there = publisher === null
    ? ["nobody", "-", "-", "-", "-"]
    : endCells(publisher, publisher.leg.loss_pct, now_unix_ms);
  const rows: TableRow[] = [{
    cells: [
      printable(stream.name),
      ...there,
      `${viewers.length}/${stream.viewers_max}`,
      roughBytes(stream.bytes_in),
      roughBytes(stream.bytes_out),
    ],
  }];
  for (const viewer of viewers) {
    const { leg, skipped, bottleneck } = viewer;
    rows.push({
      cells: ["  viewer", ...endCells(viewer, leg.loss_pct, now_unix_ms)],
      tail: `${skipped} skipped; ${BOTTLENECK_WORDS[bottleneck]}`,
    });
  }
  const ends = Object.entries(dropped).map(([reason, count]) => `${count} ${printable(reason)}`);
  if (ends.length > 0) rows.push({ cells: [], tail: `  gone since the start: ${ends.join(", ")}` });
  return rows;
}

function endCells(
  end: { remote: string; user: string; since_unix_ms: number; leg: { mbps: number } },
  loss_pct: number,
  now_unix_ms: number,
): string[] {
  return [
    printable(end.remote),
    end.user === "" ? "-" : printable(end.user),
    since(end.since_unix_ms, now_unix_ms),
    end.leg.mbps.toFixed(2),
    `${loss_pct.toFixed(1)}%`,
  ];
}
