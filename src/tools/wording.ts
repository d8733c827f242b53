/** Amounts as a person reads them. */
import { formatDuration } from "../config/duration.ts";

/** Bytes with the 1024-based units of the configuration. */
export function roughBytes(bytes: number): string {
  let value = bytes;
  for (const unit of ["B", "KB", "MB", "GB"]) {
    if (value < 1024) return unit === "B" ? `${value} B` : `${value.toFixed(1)} ${unit}`;
    value /= 1024;
  }
  return `${value.toFixed(1)} TB`;
}

/** The time between the two in whole seconds, at least `0s`. */
export function span(from_unix_ms: number, to_unix_ms: number): string {
  const seconds = Math.max(0, Math.floor((to_unix_ms - from_unix_ms) / 1000));
  return seconds === 0 ? "0s" : formatDuration(seconds * 1000);
}

/** The time since then in whole seconds; `now` for less than one. */
export function since(then_unix_ms: number, now_unix_ms: number): string {
  const time = span(then_unix_ms, now_unix_ms);
  return time === "0s" ? "now" : time;
}
