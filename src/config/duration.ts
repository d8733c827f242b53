/**
 * Durations as V4's configuration files write them: the grammar of Go's `time.ParseDuration`, that
 * is one or more decimal numbers, each with a unit: `1m30s`, `200ms`, `1.5h`. A bare `0` is allowed.
 * The result is whole milliseconds.
 */

/** Milliseconds in each unit. Both the micro sign and the Greek mu are in use for microseconds. */
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  "µs": 1e-3,
  "μs": 1e-3,
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
};

/** The longest text that can be meant as a duration; a bound on the work done for a bad one. */
const TEXT_LENGTH_MAX = 64;

/**
 * Reads a duration as milliseconds; null where the text is none. What is not a whole number of
 * milliseconds is rounded up, so that a very short duration never turns into 0, which for some keys
 * means "never".
 */
export function parseDuration(text: string): number | null {
  if (text.length > TEXT_LENGTH_MAX) return null;
  if (text === "0") return 0;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g)) {
    total += Number(amount) * UNIT_MS[unit];
  }
  // 1.1 × 1000 is 1100.0000000000002 in binary floating point: what is left of a nanosecond is
  // noise and must not be rounded up to a millisecond.
  const whole = Math.ceil(Math.round(total * 1e6) / 1e6);
  return Number.isSafeInteger(whole) ? whole : null;
}

/** Milliseconds as the same grammar writes them, the largest units first: 90000 is `1m30s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0";
  let rest = ms;
  let text = "";
  for (const unit of ["h", "m", "s", "ms"]) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * UNIT_MS[unit];
  }
  return text;
}
