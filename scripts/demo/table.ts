/** The result of a run as a table for people. */
import type { TransportReport } from "../../src/tools/video/report.ts";

const label = { zmq: "TCP", srt: "SRT" } as const;

/** A column for each transport, a row for each figure. */
export function resultTable(reports: readonly TransportReport[]): string {
  const ms = (value: number) => `${value.toFixed(2)} ms`;
  const mbps = (value: number) => `${value.toFixed(1)} Mbit/s`;
  const count = (value: number | undefined) => value === undefined ? "–" : String(value);
  const rows: [string, (report: TransportReport) => string][] = [
    ["", (report) => label[report.transport]],
    ["bytes sent", (report) => String(report.sent_bytes)],
    ["bytes echoed", (report) => String(report.echo_bytes)],
    ["frames sent / echoed", (report) => `${report.sent_frames} / ${report.echo_frames}`],
    ["SHA-256 sent", (report) => report.sha256_sent.slice(0, 16) + "…"],
    ["SHA-256 echoed", (report) => report.sha256_echoed.slice(0, 16) + "…"],
    ["every byte equal", (report) => report.bytes_equal ? "yes" : "NO"],
    ["goodput there", (report) => mbps(report.goodput_mbps_up)],
    ["goodput back", (report) => mbps(report.goodput_mbps_down)],
    ["round trip p50", (report) => ms(report.rtt_ms_p50)],
    ["round trip p95", (report) => ms(report.rtt_ms_p95)],
    ["round trip p99", (report) => ms(report.rtt_ms_p99)],
    ["round trip max", (report) => ms(report.rtt_ms_max)],
    ["packets lost", (report) => count(report.srt_loss_packets)],
    ["packets sent again", (report) => count(report.srt_retransmitted_packets)],
    ["packets given up", (report) => count(report.srt_dropped_packets)],
  ];
  const cells = rows.map(([name, cell]) => [name, ...reports.map(cell)]);
  const widths = cells[0].map((_, column) => Math.max(...cells.map((row) => row[column].length)));
  const line = (row: string[]) =>
    row.map((cell, column) => column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))
      .join("   ").trimEnd();
  const rule = widths.map((width) => "─".repeat(width)).join("───");
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].map((text) => `  ${text}`).join("\n");
}
