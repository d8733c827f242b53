/** Randomness that can be repeated: the seed is printed and can be given back by RELAYX_SEED. */
import process from "node:process";
import { randomInt } from "node:crypto";
import { Buffer } from "node:buffer";

export class Random {
  readonly seed: number;
  #state: number;

  constructor(seed: number) {
    this.seed = seed;
    this.#state = seed >>> 0;
  }

  /** A number in [0, 1), by mulberry32: small, quick, and the same on every runtime. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }

  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.int(0, choices.length - 1)];
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    for (let at = 0; at < length; at++) bytes[at] = this.int(0, 255);
    return bytes;
  }
}

/** A generator whose seed is on record before anything random happens. */
export function announcedRandom(subject: string): Random {
  const given = process.env.RELAYX_SEED;
  const seed = given === undefined ? randomInt(0, 2 ** 32 - 1) : Number(given) >>> 0;
  console.log(`${subject}: RELAYX_SEED=${seed}`);
  return new Random(seed);
}
