/** The names of sections and keys, read off the schema, and which known one a wrong one may mean. */
import { closest, distance } from "fastest-levenshtein";
import type { z } from "zod";
import { configSchema, streamSchema } from "./schema.ts";

/** Every section of fixed keys with the schema of each key's value. */
export function sections(): Map<string, Map<string, z.ZodType>> {
  const all = new Map<string, Map<string, z.ZodType>>();
  const { streams: _, ...fixed } = configSchema.shape;
  for (const [section, schema] of Object.entries(fixed)) {
    all.set(section, new Map(Object.entries(schema.unwrap().shape as Record<string, z.ZodType>)));
  }
  return all;
}

/**
 * The known name that a wrong one is a slip of, or null where none is near: at most two letters, or
 * a third of a longer name, may be wrong.
 */
export function nearest(wrong: string, known: readonly string[]): string | null {
  // The distance takes time in proportion to both lengths; nothing this long is a slip.
  if (known.length === 0 || wrong.length > 128) return null;
  const folded = wrong.toLowerCase();
  const candidate = closest(folded, known.map((name) => name.toLowerCase()));
  const name = known.find((one) => one.toLowerCase() === candidate)!;
  return distance(folded, candidate) <= Math.max(2, Math.floor(name.length / 3)) ? name : null;
}

/** What is allowed instead of an unknown section or key. */
export function allowedInstead(section: string | null, name: string): string {
  const all = sections();
  // Its entries have names that the operator chooses, and all of them the same keys.
  all.set("streams", new Map(Object.entries(streamSchema.shape as Record<string, z.ZodType>)));
  const known = [...(section === null ? all : all.get(section) ?? all).keys()];
  const near = nearest(name, known);
  if (near !== null) return `${known.join(", ")}; did you mean "${near}"?`;
  for (const [home, keys] of all) {
    if (home !== section && keys.has(name)) {
      return `${known.join(", ")}; did you mean "${home}.${name}"?`;
    }
  }
  return known.join(", ");
}
