/** Whom a ban is about, as orders, the API and the state file write it. */
import { normalizeNetwork } from "../config/address-set.ts";

/** The longest id that can be banned; longer ones are never those of real peers. */
const ID_CHARS_MAX = 250;

export interface BanSubject {
  kind: "address" | "id";
  /** A network as `normalizeNetwork` writes it, or an id as it is. */
  value: string;
}

/** Null where the text is no subject. */
export function parseSubject(text: string): BanSubject | null {
  const [, kind, rest] = /^(address|id):(.+)$/s.exec(text) ?? [];
  if (kind === "id") return rest.length <= ID_CHARS_MAX ? { kind, value: rest } : null;
  const value = kind === "address" ? normalizeNetwork(rest) : null;
  return value === null ? null : { kind: "address", value };
}

export function formatSubject({ kind, value }: BanSubject): string {
  return `${kind}:${value}`;
}
