/** The rules between keys of `rlx1`, and with those of others: v1's own rules, and where ports meet. */
import type { CrossCheck } from "./cross-checks.ts";
import { formatPortRange, type PortRange } from "./port-range.ts";
import { type Rlx1Config, rlx1Ranges } from "./rlx1-section.ts";
import type { Config } from "./schema.ts";

type Label = "zmq" | "srt";
type Finding = ReturnType<CrossCheck["check"]>;

function rangeKeys(label: Label): string[] {
  return [`rlx1.${label}_start_port`, `rlx1.${label}_end_port`];
}

function rangeText(label: Label, range: PortRange): string {
  return `rlx1.${label}_start_port to rlx1.${label}_end_port ${formatPortRange(range)}`;
}

function has(range: PortRange, port: number): boolean {
  return port >= range.first && port <= range.last;
}

/** Both ends are there, and the first is not behind the last. */
function order(label: Label): CrossCheck {
  return {
    keys: rangeKeys(label),
    check: ({ rlx1 }) => {
      if (rlx1 === undefined) return null;
      const { first, last } = rlx1Ranges(rlx1)[label];
      if (first <= last) return null;
      return {
        code: "range_backwards",
        found: `rlx1.${label}_start_port ${first} with rlx1.${label}_end_port ${last}`,
        allowed: "a start of at most the end",
      };
    },
  };
}

/** Every TCP port that something else of this configuration listens on. */
function otherPorts({ gateway, tls, admin }: Config, { control_port }: Rlx1Config) {
  const others = [
    { name: "gateway.tcp_port", port: gateway.tcp_port },
    { name: "rlx1.control_port", port: control_port },
    { name: "tls.port", port: tls.port },
  ];
  if (admin.port !== "off") others.push({ name: "admin.port", port: admin.port });
  return others.filter(({ port }) => port > 0);
}

function apart(label: Label): CrossCheck {
  return {
    keys: [
      ...rangeKeys(label),
      "rlx1.control_port",
      "gateway.tcp_port",
      "tls.port",
      "admin.port",
      "zeromq.port_range",
    ],
    check: (config) => config.rlx1 === undefined ? null : collision(label, config, config.rlx1),
  };
}

function collision(label: Label, config: Config, rlx1: Rlx1Config): Finding {
  const range = rlx1Ranges(rlx1)[label];
  if (range.first > range.last) return null;
  const other = otherPorts(config, rlx1).find(({ port }) => has(range, port));
  const allowed = "TCP ports of their own for each";
  if (other !== undefined) {
    return {
      code: "port_taken",
      found: `${rangeText(label, range)} with ${other.name} ${other.port} inside it`,
      allowed,
    };
  }
  const v4 = config.zeromq.port_range;
  if (range.first > v4.last || v4.first > range.last) return null;
  return {
    code: "port_taken",
    found: `${rangeText(label, range)} with zeromq.port_range "${formatPortRange(v4)}"`,
    allowed: `${allowed}; both are TCP`,
  };
}

/** The control port of v1 is the common one or one of its own. */
function controlPortTaken(config: Config): Finding {
  const { rlx1, gateway, tls, admin, zeromq } = config;
  const port = rlx1?.control_port ?? 0;
  if (port === 0 || port === gateway.tcp_port) return null;
  const other = port === tls.port
    ? `tls.port ${port}`
    : port === admin.port
    ? `admin.port ${port}`
    : has(zeromq.port_range, port)
    ? `zeromq.port_range "${formatPortRange(zeromq.port_range)}"`
    : null;
  if (other === null) return null;
  return {
    code: "port_taken",
    found: `rlx1.control_port ${port} with ${other}`,
    allowed: "a TCP port of its own, that of gateway.tcp_port, or 0, which means that one",
  };
}

/** What has to be there for signatures to be made and checked. */
function keysMissing({ rlx1 }: Config): Finding {
  if (rlx1 === undefined) return null;
  const { signatures, sign_key_file, verify_key_file, verify_previous_key_file } = rlx1;
  if (signatures === "required" && verify_key_file === "") {
    return {
      path: ["rlx1", "signatures"],
      code: "file_missing",
      found: 'rlx1.signatures "required" without a rlx1.verify_key_file',
      allowed: "the public key of the peers in rlx1.verify_key_file",
    };
  }
  if (signatures !== "off" && verify_key_file === "" && sign_key_file === "") {
    return {
      path: ["rlx1", "signatures"],
      code: "file_missing",
      found: `rlx1.signatures "${signatures}" without any key`,
      allowed: "a rlx1.verify_key_file, a rlx1.sign_key_file, or both",
    };
  }
  if (verify_previous_key_file === "") return null;
  if (verify_key_file === "") {
    return {
      path: ["rlx1", "verify_previous_key_file"],
      code: "file_missing",
      found: "a rlx1.verify_previous_key_file without a rlx1.verify_key_file",
      allowed: "the current key as well",
    };
  }
  if (rlx1.verify_key_id !== rlx1.verify_previous_key_id) return null;
  return {
    path: ["rlx1", "verify_previous_key_id"],
    code: "key_id_twice",
    found: `the same id ${
      JSON.stringify(rlx1.verify_key_id)
    } for the current key and the one before`,
    allowed: "a rlx1.verify_key_id and another rlx1.verify_previous_key_id",
  };
}

export const RLX1_CHECKS: readonly CrossCheck[] = [
  order("zmq"),
  order("srt"),
  {
    keys: [...rangeKeys("srt"), ...rangeKeys("zmq")],
    check: ({ rlx1 }) => {
      if (rlx1 === undefined) return null;
      const { zmq, srt } = rlx1Ranges(rlx1);
      if (zmq.first > zmq.last || srt.first > srt.last) return null;
      if (srt.first > zmq.last || zmq.first > srt.last) return null;
      return {
        code: "port_taken",
        found: `${rangeText("srt", srt)} with ${rangeText("zmq", zmq)}`,
        allowed: "ranges that have no port in common: both are TCP",
      };
    },
  },
  apart("zmq"),
  apart("srt"),
  {
    keys: [
      "rlx1.control_port",
      "gateway.tcp_port",
      "tls.port",
      "admin.port",
      "zeromq.port_range",
    ],
    check: controlPortTaken,
  },
  {
    keys: ["rlx1.secret", "auth.mode"],
    check: ({ rlx1, auth }) =>
      rlx1 === undefined || rlx1.secret !== "" || auth.mode !== "open" ? null : {
        path: ["rlx1", "secret"],
        code: "secret_missing",
        found: "no secret, so that nobody could register",
        allowed: "text, better 32 bytes of chance: in this key, in RELAYX_RLX1_SECRET, or as " +
          "auth_secret in a file .env.local.json beside this one",
      },
  },
  {
    keys: [
      "rlx1.signatures",
      "rlx1.sign_key_file",
      "rlx1.verify_key_file",
      "rlx1.verify_previous_key_file",
      "rlx1.verify_key_id",
      "rlx1.verify_previous_key_id",
    ],
    check: keysMissing,
  },
];
