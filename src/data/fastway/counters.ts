/**
 * The numbers of the fastway plane in shared memory: of each worker one row of totals, then a row per
 * endpoint. A row has one writer; the control side reads whenever it likes. See `../counters.ts`.
 */
import type { EndpointCounters } from "./protocol.ts";

/** Columns of a row: eight of eight bytes, one cache line. */
const COLUMNS = 8;

/** What a worker has counted since its start, and what it has now. */
export interface WorkerTotals {
  /** Virtual connections now, and since the start. */
  virtual: number;
  virtual_total: number;
  /** Dials refused: nobody has the id, the dialler has `ClientMaxConn`, or the gateway drains. */
  refused_unknown: number;
  refused_limit: number;
  refused_draining: number;
  /** Messages for virtual connections that are no more. */
  unknown_total: number;
  /** Bytes of the pool in pages, and in chunks that are in use. */
  pool_bytes: number;
  pool_used_bytes: number;
}

const TOTALS: readonly (keyof WorkerTotals)[] = [
  "virtual",
  "virtual_total",
  "refused_unknown",
  "refused_limit",
  "refused_draining",
  "unknown_total",
  "pool_bytes",
  "pool_used_bytes",
];

const BYTES_IN = 0;
const BYTES_OUT = 1;
const MESSAGES_IN = 2;
const MESSAGES_OUT = 3;
const VIRTUAL = 4;
const QUEUE_MESSAGES = 5;
const QUEUE_BYTES = 6;

/** In the order of their columns; {@link EndpointCounterRow} has the same. */
const COUNTERS: readonly (keyof EndpointCounters)[] = [
  "bytes_in",
  "bytes_out",
  "messages_in",
  "messages_out",
  "virtual",
  "queue_messages",
  "queue_bytes",
];

/** A worker's table for so many endpoints. */
export function newFastwayCounters(endpoints: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer((1 + endpoints) * COLUMNS * 8));
}

export function noTotals(): WorkerTotals {
  return Object.fromEntries(TOTALS.map((name) => [name, 0])) as unknown as WorkerTotals;
}

/** For how many endpoints a table is. */
export function rowsOf(table: Float64Array): number {
  return table.length / COLUMNS - 1;
}

export function writeTotals(table: Float64Array, totals: Readonly<WorkerTotals>): void {
  for (let i = 0; i < TOTALS.length; i++) table[i] = totals[TOTALS[i]];
}

export function readTotals(table: Float64Array): WorkerTotals {
  return Object.fromEntries(TOTALS.map((name, i) => [name, table[i]])) as unknown as WorkerTotals;
}

/** `row` counts from 0. */
export function readCounters(table: Float64Array, row: number): EndpointCounters {
  const at = (1 + row) * COLUMNS;
  return Object.fromEntries(
    COUNTERS.map((name, i) => [name, table[at + i]]),
  ) as unknown as EndpointCounters;
}

/** A row as its one writer has it. */
export class EndpointCounterRow {
  readonly #table: Float64Array;
  readonly #at: number;

  constructor(table: Float64Array, row: number) {
    this.#table = table;
    this.#at = (1 + row) * COLUMNS;
    table.fill(0, this.#at, this.#at + COLUMNS);
  }

  received(bytes: number, messages: number): void {
    this.#table[this.#at + BYTES_IN] += bytes;
    this.#table[this.#at + MESSAGES_IN] += messages;
  }

  sent(bytes: number, messages: number): void {
    this.#table[this.#at + BYTES_OUT] += bytes;
    this.#table[this.#at + MESSAGES_OUT] += messages;
  }

  virtual(count: number): void {
    this.#table[this.#at + VIRTUAL] = count;
  }

  queued(messages: number, bytes: number): void {
    this.#table[this.#at + QUEUE_MESSAGES] = messages;
    this.#table[this.#at + QUEUE_BYTES] = bytes;
  }

  read(): EndpointCounters {
    return readCounters(this.#table, this.#at / COLUMNS - 1);
  }
}
