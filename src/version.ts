/** What this program is and what it runs on. */
import process from "node:process";
import product from "../package.json" with { type: "json" };

/** The product's version; `package.json` is the only place where it stands. */
export const PRODUCT_VERSION: string = product.version;

/** The version of the relay_X V4 protocol that is spoken. */
export const PROTOCOL_VERSION = "1.4";

/** The runtime that executes this source, with its version: `Bun 1.4.5`. */
export function runtimeVersion(): string {
  const { bun, deno } = process.versions as Record<string, string | undefined>;
  if (bun !== undefined) return `Bun ${bun}`;
  if (deno !== undefined) return `Deno ${deno}`;
  return `Node ${process.versions.node}`;
}
