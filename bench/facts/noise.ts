/**
 * How disturbed a measurement was: whether the machine was slower than its best (a fixed loop, timed
 * before each sample), whether the host took CPU away (steal), and whether somebody else computed
 * (CPU that belongs neither to the benchmark nor to anything it has started).
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { treeCost } from "./process-cost.ts";

export interface Noise {
  /** The loop's time over the best one seen in this run; 1 is undisturbed. */
  spin_ratio: number;
  /** Cores that the host kept from this machine. */
  steal_cores: number;
  /** Cores that other programs used. */
  other_cores: number;
  /** Why the sample is marked, or null. */
  disturbed: string | null;
}

/** Beyond these a sample is marked. A tenth of a core is what one busy terminal costs. */
const SPIN_RATIO_MAX = 1.2;
const STEAL_CORES_MAX = 0.05;
const OTHER_CORES_MAX = 0.1;

/** About 10 ms on a machine of this decade: long enough to time, too short to cool anything. */
const SPIN_STEPS = 8_000_000;
/** The runtime compiles the loop more than once, and not always to something faster. */
const WARM_UP_SPINS = 40;
const SPINS = 4;
const TICKS_PER_SECOND = 100;

interface Reading {
  at_ms: number;
  /** User, nice and system time of all CPUs, seconds. Interrupts are charged to nobody's account. */
  busy_s: number;
  steal_s: number;
  ours_s: number;
}

export class NoiseMeter {
  #best_ms = Infinity;

  constructor() {
    for (let i = 0; i < WARM_UP_SPINS; i++) this.#spin();
    this.#best_ms = Infinity;
    for (let i = 0; i < SPINS; i++) this.#spin();
  }

  /** Starts to listen; the function given back says what was heard since. */
  listen(): () => Noise {
    // The best of a few: one may be interrupted by what the last sample has left behind.
    const spin_ratio = Math.min(...Array.from({ length: SPINS }, () => this.#spin()));
    const before = read();
    return () => judge({ spin_ratio, before, after: read() });
  }

  #spin(): number {
    const started = performance.now();
    spin();
    const took_ms = performance.now() - started;
    this.#best_ms = Math.min(this.#best_ms, took_ms);
    return took_ms / this.#best_ms;
  }
}

/** The verdict on one sample, apart so that it can be tested with made-up readings. */
export function judge(
  { spin_ratio, before, after }: { spin_ratio: number; before: Reading; after: Reading },
): Noise {
  const elapsed_s = Math.max(0.001, (after.at_ms - before.at_ms) / 1000);
  const steal_cores = Math.max(0, after.steal_s - before.steal_s) / elapsed_s;
  const others_s = (after.busy_s - before.busy_s) - (after.ours_s - before.ours_s);
  // The counters move in steps of 10 ms each; what a few steps explain is nobody's work.
  const other_cores = Math.max(0, others_s - 0.03) / elapsed_s;
  const reasons = [
    spin_ratio > SPIN_RATIO_MAX ? `CPU ${spin_ratio.toFixed(2)} times slower than its best` : "",
    steal_cores > STEAL_CORES_MAX ? `${steal_cores.toFixed(2)} cores stolen by the host` : "",
    other_cores > OTHER_CORES_MAX ? `${other_cores.toFixed(2)} cores used by others` : "",
  ].filter(Boolean);
  return {
    spin_ratio,
    steal_cores,
    other_cores,
    disturbed: reasons.length > 0 ? reasons.join(", ") : null,
  };
}

function read(): Reading {
  const line = readFileSync("/proc/stat", "utf8").split("\n", 1)[0];
  const [user, nice, system, , , , , steal] = line.split(/\s+/).slice(1).map(Number);
  return {
    at_ms: performance.now(),
    busy_s: (user + nice + system) / TICKS_PER_SECOND,
    steal_s: steal / TICKS_PER_SECOND,
    // Everything that is measured or measures is a descendant of this process.
    ours_s: treeCost([process.pid]).cpu_s,
  };
}

/** xorshift: integer work that no compiler removes, because its result is used. */
function spin(): void {
  let state = 2_463_534_242;
  for (let i = 0; i < SPIN_STEPS; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
  }
  if (state === 0) throw new Error("xorshift never reaches 0");
}
