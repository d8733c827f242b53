/** The rules between two keys, which no schema of a single value can say. */
import type { Config } from "./schema.ts";
import { formatPortRange } from "./port-range.ts";

/** A broken rule. The first of `keys` that somebody has set is the one to be corrected. */
export interface CrossFinding {
  keys: string[];
  code: string;
  found: string;
  allowed: string;
}

interface CrossCheck {
  /** The keys it compares; the check is left out while one of them has no valid value. */
  keys: string[];
  check: (config: Config) => Omit<CrossFinding, "keys"> | null;
}

/** A limit that is part of another limit may not be greater than it. */
function withinLimit(part: keyof Config["limits"], whole: keyof Config["limits"]): CrossCheck {
  return {
    keys: [`limits.${part}`, `limits.${whole}`],
    check: ({ limits }) =>
      limits[part] <= limits[whole] ? null : {
        code: "limit_exceeded",
        found: `limits.${part} ${limits[part]} with limits.${whole} ${limits[whole]}`,
        allowed: `limits.${part} of at most limits.${whole}`,
      },
  };
}

const CHECKS: readonly CrossCheck[] = [
  {
    // Only the TCP range can collide with the control port: SRT ports are UDP and may share numbers.
    keys: ["zeromq.port_range", "gateway.tcp_port"],
    check: ({ gateway, zeromq }) => {
      const { first, last } = zeromq.port_range;
      if (gateway.tcp_port < first || gateway.tcp_port > last) return null;
      return {
        code: "port_taken",
        found: `zeromq.port_range "${formatPortRange(zeromq.port_range)}" with gateway.tcp_port ` +
          `${gateway.tcp_port} inside it`,
        allowed: "a range without the control port, since both are TCP",
      };
    },
  },
  withinLimit("unproven_per_address_max", "unproven_max"),
  withinLimit("srt_unproven_per_address_max", "srt_unproven_max"),
  withinLimit("waiting_requests_per_client_max", "waiting_requests_max"),
  // The queue must be able to hold one message of the greatest size.
  withinLimit("message_bytes_max", "control_queue_bytes_max"),
];

/** Checks whatever can be checked; `invalid` names the keys whose value is a problem already. */
export function crossCheck(config: Config, invalid: ReadonlySet<string>): CrossFinding[] {
  const findings: CrossFinding[] = [];
  for (const { keys, check } of CHECKS) {
    if (keys.some((key) => invalid.has(key))) continue;
    const finding = check(config);
    if (finding !== null) findings.push({ keys, ...finding });
  }
  return findings;
}
