/** Bans and the day's bytes as they are kept in `state.directory`. */
import { z } from "zod";

const time = z.int().min(0);

export const BANS_FILE = "bans.json";
export const bansShape = z.strictObject({
  version: z.literal(1),
  bans: z.array(z.strictObject({
    subject: z.string().max(300),
    reason: z.string().max(1000),
    since_unix_ms: time,
    until_unix_ms: time.nullable(),
    automatic: z.boolean(),
  })).max(100_000),
});

export const DAY_FILE = "bytes-today.json";
export const dayShape = z.strictObject({
  version: z.literal(1),
  day: z.iso.date(),
  bytes: z.record(z.string(), z.int().min(0)),
});
