/** The named streams as a table for a terminal: one line for each, and one for each viewer below it. */
import { formatDuration } from "../config/duration.ts";
import { BOTTLENECK_WORDS } from "../data/bottleneck.ts";
import type { StreamListing } from "../data/plane.ts";
import { printable } from "./printable.ts";

const HEAD = ["STREAM", "PUBLISHER", "USER", "SINCE", "MBIT/S", "LOSS", "VIEWERS", "IN", "OUT"];

interface Row {
  cells: string[];
  /** A sentence at the end, which takes no part in the columns. */
  tail?: string;
}

export function streamTable(streams: readonly StreamListing[], now_unix_ms: number): string {
  if (streams.length === 0) {
    return "no streams are configured; the section streams of the configuration names them\n";
  }
  const rows = [{ cells: HEAD }, ...streams.flatMap((stream) => rowsOf(stream, now_unix_ms))];
  const widths = HEAD.map((_, at) => Math.max(...rows.map(({ cells }) => cells[at]?.length ?? 0)));
  return rows.map((row) => `${lineOf(row, widths)}\n`).join("");
}

function rowsOf(stream: StreamListing, now_unix_ms: number): Row[] {
  const { publisher, viewers, dropped } = stream;
  const there = publisher === null
    ? ["nobody", "-", "-", "-", "-"]
    : endCells(publisher, publisher.leg.loss_pct, now_unix_ms);
  const rows: Row[] = [{
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
  const seconds = Math.max(0, Math.floor((now_unix_ms - end.since_unix_ms) / 1000));
  return [
    printable(end.remote),
    end.user === "" ? "-" : printable(end.user),
    seconds === 0 ? "now" : formatDuration(seconds * 1000),
    end.leg.mbps.toFixed(2),
    `${loss_pct.toFixed(1)}%`,
  ];
}

/** Bytes as a person reads them, with the 1024-based units of the configuration. */
function roughBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ["B", "KB", "MB"]) {
    if (value < 1024) return unit === "B" ? `${value} B` : `${value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} GB`;
}

function lineOf({ cells, tail }: Row, widths: readonly number[]): string {
  const columns = cells.map((cell, at) => cell.padEnd(widths[at])).join("  ");
  if (tail === undefined) return columns.trimEnd();
  return columns === "" ? tail : `${columns}  ${tail}`;
}
