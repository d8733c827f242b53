/**
 * One table of numbers in shared memory, a row per port of the pool: a data worker adds, the control
 * side reads whenever it likes. A row has one writer, and an aligned 64-bit float is read and written
 * whole on the machines we run on, so there is no lock and nothing to wait for. Byte counts stay exact
 * to 2^53 (9 PB).
 */
import type { PortCounters } from "./plane.ts";

/** Columns of a row. */
export const BYTES_UP = 0;
export const BYTES_DOWN = 1;
export const RTT_MS = 2;
export const PACKETS_UP = 3;
export const PACKETS_DOWN = 4;
export const PACKETS_LOST = 5;
export const PACKETS_RETRANSMITTED = 6;
/** Eight columns of eight bytes: a row is one cache line and no two ports share one. */
export const COLUMNS = 8;

export function newCounters(rows: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(rows * COLUMNS * 8));
}

export function clearRow(table: Float64Array, row: number): void {
  table.fill(0, row * COLUMNS, (row + 1) * COLUMNS);
}

export function readRow(table: Float64Array, row: number): PortCounters {
  const at = row * COLUMNS;
  return {
    bytes_up: table[at + BYTES_UP],
    bytes_down: table[at + BYTES_DOWN],
    rtt_ms: table[at + RTT_MS],
    packets_up: table[at + PACKETS_UP],
    packets_down: table[at + PACKETS_DOWN],
    packets_lost: table[at + PACKETS_LOST],
    packets_retransmitted: table[at + PACKETS_RETRANSMITTED],
  };
}
