/** What a new list of bans changes for the workers that go by the old one. */
import { normalizeNetwork } from "../config/address-set.ts";

export interface BanChange {
  bans: ReadonlySet<string>;
  added: readonly string[];
  removed: readonly string[];
}

/** Throws a RangeError for what is no address and no network: a worker that cannot read one would die. */
export function banChange(before: ReadonlySet<string>, networks: readonly string[]): BanChange {
  const bans = new Set(networks);
  const added = networks.filter((one) => !before.has(one));
  const wrong = added.find((one) => normalizeNetwork(one) !== one);
  if (wrong !== undefined) throw new RangeError(`Cannot ban "${wrong}": no address or network`);
  const removed = [...before].filter((one) => !bans.has(one));
  return { bans, added, removed };
}
