/**
 * One table of numbers in shared memory, a row for each open port: a data worker adds, the control
 * side reads whenever it likes. A row has one writer, and an aligned 64-bit float is read and written
 * whole on the machines we run on, so there is no lock and nothing to wait for. Byte counts stay exact
 * to 2^53 (9 PB).
 */
import { BOTTLENECKS } from "./bottleneck.ts";
import type { PortCounters } from "./plane.ts";

/** Columns of a row. */
const BYTES_UP = 0;
const BYTES_DOWN = 1;
const RTT_MS = 2;
const PACKETS_UP = 3;
const PACKETS_DOWN = 4;
const PACKETS_LOST = 5;
const PACKETS_RETRANSMITTED = 6;
/** Both directions' numbers in {@link BOTTLENECKS}, the upper one times 16. */
const HELD_BACK_BY = 7;
/** Eight columns of eight bytes: a row is one cache line and no two ports share one. */
const COLUMNS = 8;

export function newCounters(rows: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(rows * COLUMNS * 8));
}

/** A row as its one writer has it. */
export class CounterRow {
  readonly #table: Float64Array;
  readonly #at: number;

  constructor(table: Float64Array, row: number) {
    this.#table = table;
    this.#at = row * COLUMNS;
  }

  /** For the next session on the port. */
  clear(): void {
    this.#table.fill(0, this.#at, this.#at + COLUMNS);
  }

  setBytes(up: number, down: number): void {
    this.#table[this.#at + BYTES_UP] = up;
    this.#table[this.#at + BYTES_DOWN] = down;
  }

  setQuality(line: Omit<PortCounters, "bytes_up" | "bytes_down">): void {
    this.#table[this.#at + RTT_MS] = line.rtt_ms;
    this.#table[this.#at + PACKETS_UP] = line.packets_up;
    this.#table[this.#at + PACKETS_DOWN] = line.packets_down;
    this.#table[this.#at + PACKETS_LOST] = line.packets_lost;
    this.#table[this.#at + PACKETS_RETRANSMITTED] = line.packets_retransmitted;
    this.#table[this.#at + HELD_BACK_BY] = 16 * BOTTLENECKS.indexOf(line.bottleneck_up) +
      BOTTLENECKS.indexOf(line.bottleneck_down);
  }
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
    bottleneck_up: BOTTLENECKS[table[at + HELD_BACK_BY] >>> 4],
    bottleneck_down: BOTTLENECKS[table[at + HELD_BACK_BY] & 15],
  };
}
