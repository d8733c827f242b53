/** Numbers, times and strangers' text in the form in which a person reads them. */

const COUNT = new Intl.NumberFormat("en");

/** What a name is cut to where it is one of many, and where it is looked at alone. Characters. */
export const ID_LENGTH_MAX = 32;
export const ID_LENGTH_MAX_ALONE = 400;

/** @param {number} value */
export function count(value) {
  return COUNT.format(value);
}

/**
 * `1 session`, `2 sessions`.
 * @param {number} number
 * @param {string} one
 * @param {string} [many]
 */
export function counted(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/**
 * Three digits, and a unit of the list; each is `step` times the one before.
 * @param {number} value
 * @param {number} step
 * @param {readonly string[]} units
 */
function scaled(value, step, units) {
  let scale = 0;
  let left = Number.isFinite(value) ? Math.max(0, value) : 0;
  // What would be rounded up to four digits belongs to the next unit.
  while (left >= step * 0.9995 && scale < units.length - 1) {
    left /= step;
    scale++;
  }
  const digits = scale === 0 || left >= 99.95 ? 0 : left >= 9.995 ? 1 : 2;
  return `${left.toFixed(digits)} ${units[scale]}`;
}

/** @param {number} bps */
export function rate(bps) {
  return scaled(bps, 1000, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"]);
}

/**
 * 1024-based, as in the configuration.
 * @param {number} value
 */
export function bytes(value) {
  return scaled(value, 1024, ["B", "KB", "MB", "GB", "TB", "PB"]);
}

/**
 * The two greatest units: `12 s`, `3 min 5 s`, `2 h 10 min`, `5 d 3 h`.
 * @param {number} ms
 */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return pair(minutes, "min", seconds % 60, "s");
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return pair(hours, "h", minutes % 60, "min");
  return pair(Math.floor(hours / 24), "d", hours % 24, "h");
}

/**
 * @param {number} a
 * @param {string} unit_a
 * @param {number} b
 * @param {string} unit_b
 */
function pair(a, unit_a, b, unit_b) {
  return b === 0 ? `${a} ${unit_a}` : `${a} ${unit_a} ${b} ${unit_b}`;
}

/**
 * The time of day on the reader's clock; with the day where it is not today.
 * @param {number} unix_ms
 * @param {number} [now_unix_ms]
 */
export function clock(unix_ms, now_unix_ms = Date.now()) {
  const at = new Date(unix_ms);
  const time = at.toTimeString().slice(0, 8);
  if (at.toDateString() === new Date(now_unix_ms).toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}

/** @param {number} number */
function two(number) {
  return String(number).padStart(2, "0");
}

/** @param {number} value */
export function percent(value) {
  return `${value.toFixed(value >= 10 || value === 0 ? 0 : value < 0.1 ? 2 : 1)} %`;
}

/** @param {number} value */
export function milliseconds(value) {
  return `${value.toFixed(value >= 10 ? 0 : value >= 1 ? 1 : 2)} ms`;
}

/**
 * A stranger's text as it may be shown: what cannot be seen, and what would turn the line around, is
 * spelt out, and what is too long is cut and says how long it was.
 * @param {string} text
 * @param {number} [length_max]
 */
export function legible(text, length_max = ID_LENGTH_MAX) {
  // A character has at most two units, so this is enough of it, however long it is.
  const characters = [...text.slice(0, 2 * length_max + 2)];
  const is_cut = characters.length > length_max;
  const shown = (is_cut ? characters.slice(0, length_max).join("") : text)
    .replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)?.toString(16)}}`);
  return is_cut ? `${shown}… (${count(text.length)} characters)` : shown;
}
