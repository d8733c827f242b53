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

/** The time since then in whole seconds; `now` for less than one. */
export function since(then_unix_ms: number, now_unix_ms: number): string {
  const seconds = Math.max(0, Math.floor((now_unix_ms - then_unix_ms) / 1000));
  return seconds === 0 ? "now" : formatDuration(seconds * 1000);
}
