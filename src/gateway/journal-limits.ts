/** How much of what happens is remembered. */
import type { Config } from "../config/schema.ts";
import type { JournalLimits } from "../observe/journal.ts";

export function journalLimits(
  { admin, logging }: Config,
): { limits: JournalLimits; keeps_debug: boolean } {
  const { events_max, events_size_max: events_bytes_max } = admin;
  // Without an admin port nobody could ask.
  const limits = admin.port === "off"
    ? { events_max: 0, events_bytes_max: 0 }
    : { events_max, events_bytes_max };
  return { limits, keeps_debug: logging.level === "debug" };
}
