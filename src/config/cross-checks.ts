/** The rules between two keys, which no schema of a single value can say. */
import { isLoopback } from "./loopback.ts";
import type { Config } from "./schema.ts";
import { AUTH_CHECKS } from "./auth-checks.ts";
import { FASTWAY_CHECKS } from "./fastway-checks.ts";
import { formatPortRange } from "./port-range.ts";
import { RLX1_CHECKS } from "./rlx1-checks.ts";

/** A broken rule. The first of `keys` that somebody has set is the one to be corrected. */
export interface CrossFinding {
  keys: string[];
  /** The one place there is, where a name in it may have dots of its own. */
  path?: readonly string[];
  code: string;
  found: string;
  allowed: string;
}

export interface CrossCheck {
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

/** All UDP ports that the configuration names are different ones. */
function udpPortTwice({ gosrt, streams }: Config): ReturnType<CrossCheck["check"]> {
  const shared = gosrt.shared_port === "off" ? null : gosrt.shared_port;
  const taken: { path: string[]; first: number; last: number }[] = [];
  if (gosrt.mode === "per_session") {
    taken.push({ path: ["gosrt", "port_range"], ...gosrt.port_range });
  }
  const wanted = shared === null ? [] : [{ path: ["gosrt", "shared_port"], ...shared }];
  for (const [name, { port }] of Object.entries(streams)) {
    if (port > 0) wanted.push({ path: ["streams", name, "port"], first: port, last: port });
  }
  for (const one of wanted) {
    const other = taken.find(({ first, last }) => first <= one.last && one.first <= last);
    if (other) {
      return {
        path: one.path,
        code: "port_taken",
        found: [one, other].map((range) => `${range.path.join(".")} ${formatPortRange(range)}`)
          .join(" with "),
        allowed: "UDP ports of its own for each",
      };
    }
    taken.push(one);
  }
  return null;
}

/** A stream is on the shared ports or on its own. */
function streamWithoutPort({ gosrt, streams }: Config): ReturnType<CrossCheck["check"]> {
  for (const [name, { port }] of Object.entries(streams)) {
    if (port > 0) continue;
    if (gosrt.shared_port === "off") {
      return {
        path: ["streams", name],
        code: "shared_port_missing",
        found: 'a stream without a port, with gosrt.shared_port "off"',
        allowed: `a gosrt.shared_port, or a streams.${name}.port`,
      };
    }
  }
  return null;
}

/** Whoever can reach the admin port without a token may end every session. */
function adminWithoutToken({ admin }: Config): ReturnType<CrossCheck["check"]> {
  const { bind_address, port, token, read_token } = admin;
  if (token === "" && port !== "off" && !isLoopback(bind_address)) {
    return {
      path: ["admin", "bind_address"],
      code: "token_missing",
      found: `admin.bind_address "${bind_address}", which others can reach, without an admin.token`,
      allowed: "an admin.token, or an address of this machine alone (127.0.0.1, ::1)",
    };
  }
  if (token === "" && read_token !== "") {
    return {
      path: ["admin", "read_token"],
      code: "token_missing",
      found: "an admin.read_token without an admin.token, so that orders would need none",
      allowed: "an admin.token as well",
    };
  }
  if (token !== "" && token === read_token) {
    return {
      path: ["admin", "read_token"],
      code: "token_twice",
      found: "the same token for reading and for orders",
      allowed: "two different tokens, or no admin.read_token",
    };
  }
  return null;
}

/** Keys of TLS that are nothing without a certificate, each with its value where it means nothing. */
const TLS_WITHOUT_CERTIFICATE = { key_file: "", port: 0, required: false, client_auth: "off" };

/** The certificate, its key and the authorities of clients are there where they are needed. */
function tlsFileMissing({ tls }: Config): ReturnType<CrossCheck["check"]> {
  if (tls.cert_file === "") {
    for (const [key, nothing] of Object.entries(TLS_WITHOUT_CERTIFICATE)) {
      const value = tls[key as keyof typeof TLS_WITHOUT_CERTIFICATE];
      if (value === nothing) continue;
      return {
        path: ["tls", key],
        code: "certificate_missing",
        found: `tls.${key} ${JSON.stringify(value)} without a tls.cert_file`,
        allowed: "a tls.cert_file with it",
      };
    }
    return null;
  }
  const missing = (needed: string, why: string) => ({
    code: "file_missing",
    found: `${why} without a ${needed}`,
    allowed: `a ${needed} with it`,
  });
  if (tls.key_file === "") {
    return { path: ["tls", "cert_file"], ...missing("tls.key_file", "a tls.cert_file") };
  }
  if (tls.client_auth === "off" || tls.client_ca_file !== "") return null;
  const why = `tls.client_auth "${tls.client_auth}"`;
  return { path: ["tls", "client_auth"], ...missing("tls.client_ca_file", why) };
}

const CHECKS: readonly CrossCheck[] = [
  {
    keys: ["tls.port", "gateway.tcp_port", "zeromq.port_range"],
    check: ({ tls: { port }, gateway, zeromq: { port_range } }) => {
      const is_data = port >= port_range.first && port <= port_range.last;
      if (port === 0 || (!is_data && port !== gateway.tcp_port)) return null;
      const other = is_data
        ? `zeromq.port_range "${formatPortRange(port_range)}"`
        : `gateway.tcp_port ${gateway.tcp_port}`;
      return {
        path: ["tls", "port"],
        code: "port_taken",
        found: `tls.port ${port} with ${other}`,
        allowed: "a TCP port of its own, or 0 for TLS on the control port",
      };
    },
  },
  { keys: ["tls.cert_file", "tls.key_file", "tls.client_auth"], check: tlsFileMissing },
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
  {
    keys: ["gosrt.mode", "gosrt.shared_port"],
    check: ({ gosrt: { mode, shared_port } }) =>
      mode === "per_session" || shared_port !== "off" ? null : {
        code: "shared_port_missing",
        found: 'gosrt.mode "shared" with gosrt.shared_port "off"',
        allowed: "a gosrt.shared_port, or gosrt.mode per_session",
      },
  },
  {
    keys: ["gosrt.latency_min", "gosrt.latency_max"],
    check: ({ gosrt: { latency_min, latency_max } }) =>
      latency_min <= latency_max ? null : {
        code: "limit_exceeded",
        found: `gosrt.latency_min ${latency_min} with gosrt.latency_max ${latency_max}`,
        allowed: "gosrt.latency_min of at most gosrt.latency_max",
      },
  },
  { keys: ["gosrt.shared_port", "gosrt.port_range"], check: udpPortTwice },
  { keys: ["gosrt.shared_port"], check: streamWithoutPort },
  {
    keys: ["admin.bind_address", "admin.port", "admin.token", "admin.read_token"],
    check: adminWithoutToken,
  },
  {
    keys: ["admin.connections_per_address_max", "admin.connections_max"],
    check: ({ admin: { connections_per_address_max: part, connections_max: whole } }) =>
      part <= whole ? null : {
        code: "limit_exceeded",
        found: `admin.connections_per_address_max ${part} with admin.connections_max ${whole}`,
        allowed: "admin.connections_per_address_max of at most admin.connections_max",
      },
  },
  ...AUTH_CHECKS,
  ...RLX1_CHECKS,
  ...FASTWAY_CHECKS,
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
