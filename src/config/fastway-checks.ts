/** The rules between keys of `fastway`, and with those of others: sizes, keys, and where ports meet. */
import type { CrossCheck } from "./cross-checks.ts";
import { fastwayListeners, formatListenAddress, type ListenAddress } from "./fastway-section.ts";
import { formatPortRange, type PortRange } from "./port-range.ts";
import { rlx1Ranges } from "./rlx1-section.ts";
import type { Config } from "./schema.ts";
import { formatSize } from "./size.ts";

type Finding = ReturnType<CrossCheck["check"]>;
type Fastway = NonNullable<Config["fastway"]>;
type SizeKey = Extract<
  keyof Fastway,
  | "MaxPacket"
  | "MemPoolMinChunk"
  | "MemPoolMaxChunk"
  | "MemPoolPageSize"
  | "client_queue_size_max"
  | "server_queue_size_max"
>;

/** One size may not be greater than another. */
function within(part: SizeKey, whole: SizeKey): CrossCheck {
  return {
    keys: [`fastway.${part}`, `fastway.${whole}`],
    check: ({ fastway }) => {
      if (fastway === undefined || fastway[part] <= fastway[whole]) return null;
      return {
        code: "limit_exceeded",
        found: `fastway.${part} ${formatSize(fastway[part])} with fastway.${whole} ` +
          formatSize(fastway[whole]),
        allowed: `fastway.${part} of at most fastway.${whole}`,
      };
    },
  };
}

/** The memory of each worker must be able to hold a page, and a message of the greatest size. */
function poolTooSmall({ fastway, gateway }: Config): Finding {
  if (fastway === undefined) return null;
  const workers = fastway.ReusePort ? gateway.tcp_workers : 1;
  const key = fastway.MaxPacket > fastway.MemPoolPageSize ? "MaxPacket" : "MemPoolPageSize";
  if (fastway[key] * workers <= fastway.pool_size_max) return null;
  const shared = workers === 1 ? "" : ` for ${workers} workers (gateway.tcp_workers)`;
  return {
    path: ["fastway", "pool_size_max"],
    code: "limit_exceeded",
    found:
      `fastway.pool_size_max ${formatSize(fastway.pool_size_max)}${shared} with fastway.${key} ` +
      formatSize(fastway[key]),
    allowed: `at least ${formatSize(fastway[key] * workers)}, or a smaller fastway.${key}`,
  };
}

/** Something of relayx that listens on TCP, as far as the configuration says. */
interface Taken {
  name: string;
  host: string;
  ports: PortRange;
}

function single(name: string, host: string, port: number): Taken[] {
  return port === 0 ? [] : [{ name: `${name} ${port}`, host, ports: { first: port, last: port } }];
}

function takenByOthers({ gateway, zeromq, rlx1, tls, admin }: Config): Taken[] {
  const host = gateway.bind_address;
  const range = (name: string, ports: PortRange): Taken => ({
    name: `${name} ${formatPortRange(ports)}`,
    host,
    ports,
  });
  const taken = [
    ...single("gateway.tcp_port", host, gateway.tcp_port),
    ...single("tls.port", host, tls.port),
    ...single("admin.port", admin.bind_address, admin.port === "off" ? 0 : admin.port),
    range("zeromq.port_range", zeromq.port_range),
  ];
  if (rlx1 === undefined) return taken;
  const { zmq, srt } = rlx1Ranges(rlx1);
  return [
    ...taken,
    ...single("rlx1.control_port", host, rlx1.control_port),
    range("rlx1.zmq_start_port to rlx1.zmq_end_port", zmq),
    range("rlx1.srt_start_port to rlx1.srt_end_port", srt),
  ];
}

function isEverywhere(host: string): boolean {
  return host === "" || host === "0.0.0.0" || host === "::";
}

function meets({ host, port }: ListenAddress, other: Taken): boolean {
  const same_host = host === other.host || isEverywhere(host) || isEverywhere(other.host);
  return same_host && port >= other.ports.first && port <= other.ports.last;
}

/** Every listener has an address of its own; two networks of one machine may have the same port. */
function portTaken(config: Config): Finding {
  if (config.fastway === undefined) return null;
  const taken = takenByOthers(config);
  for (const { key, at } of fastwayListeners(config.fastway)) {
    const shown = `${key} "${formatListenAddress(at)}"`;
    const other = at.port === 0 ? undefined : taken.find((one) => meets(at, one));
    if (other !== undefined) {
      return {
        path: key.split("."),
        code: "port_taken",
        found: `${shown} with ${other.name}`,
        allowed: "a TCP port of its own for each",
      };
    }
    taken.push(...single(key, at.host, at.port));
  }
  return null;
}

function tlsWithoutCertificate({ fastway, tls }: Config): Finding {
  if (fastway === undefined || tls.cert_file !== "") return null;
  for (const key of ["client_tls_addr", "server_tls_addr"] as const) {
    const at = fastway[key];
    if (at === undefined) continue;
    return {
      path: ["fastway", key],
      code: "certificate_missing",
      found: `fastway.${key} "${formatListenAddress(at)}" without a tls.cert_file`,
      allowed: "a tls.cert_file and a tls.key_file with it",
    };
  }
  return null;
}

export const FASTWAY_CHECKS: readonly CrossCheck[] = [
  within("MemPoolMinChunk", "MemPoolMaxChunk"),
  within("MemPoolMaxChunk", "MemPoolPageSize"),
  // A queue must be able to hold one message of the greatest size.
  within("MaxPacket", "client_queue_size_max"),
  within("MaxPacket", "server_queue_size_max"),
  {
    keys: [
      "fastway.pool_size_max",
      "fastway.MaxPacket",
      "fastway.MemPoolPageSize",
      "fastway.ReusePort",
      "gateway.tcp_workers",
    ],
    check: poolTooSmall,
  },
  {
    keys: ["fastway.ServerAuthKey", "fastway.ServerAuthPassword"],
    check: ({ fastway }) => {
      if (fastway === undefined) return null;
      const { ServerAuthKey: key, ServerAuthPassword: password } = fastway;
      if (key === "" || password === "" || key === password) return null;
      return {
        code: "server_key_twice",
        found: "a fastway.ServerAuthKey and another fastway.ServerAuthPassword",
        allowed: "one of the two, or the same in both: they are two names for one thing",
      };
    },
  },
  {
    keys: [
      "fastway.ClientAddr",
      "fastway.ServerAddr",
      "fastway.client_tls_addr",
      "fastway.server_tls_addr",
      "gateway.bind_address",
      "gateway.tcp_port",
      "zeromq.port_range",
      "tls.port",
      "admin.bind_address",
      "admin.port",
      "rlx1.control_port",
      "rlx1.zmq_start_port",
      "rlx1.zmq_end_port",
      "rlx1.srt_start_port",
      "rlx1.srt_end_port",
    ],
    check: portTaken,
  },
  {
    keys: ["fastway.client_tls_addr", "fastway.server_tls_addr", "tls.cert_file"],
    check: tlsWithoutCertificate,
  },
  {
    keys: ["fastway.client_auth", "auth.mode"],
    check: ({ fastway, auth }) =>
      fastway?.client_auth !== "token" || auth.mode !== "open" ? null : {
        path: ["fastway", "client_auth"],
        code: "auth_missing",
        found: 'fastway.client_auth "token" with auth.mode "open", in which every token is good',
        allowed: "auth.mode tokens or jwt with it, or fastway.client_auth off",
      },
  },
];
