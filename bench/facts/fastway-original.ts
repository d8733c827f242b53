/**
 * What the original fastway relays, as it was measured for the protocol's description: on a machine of
 * two cores, senders with 200 frames per write. Another machine and other generators than those of this
 * benchmark: a landmark, and no contender.
 */
export interface OriginalFigure {
  message_bytes: number;
  virtual: number;
  /** Thousands of messages relayed per second, and per second of the gateway's CPU. */
  per_second: readonly [least: number, most: number];
  per_cpu_second: readonly [least: number, most: number];
}

export const FASTWAY_ORIGINAL: readonly OriginalFigure[] = [
  { message_bytes: 64, virtual: 1, per_second: [167, 195], per_cpu_second: [182, 221] },
  { message_bytes: 64, virtual: 100, per_second: [248, 396], per_cpu_second: [267, 326] },
  { message_bytes: 1024, virtual: 1, per_second: [172, 283], per_cpu_second: [192, 235] },
];
