/** The gateway's words, each with what it means to whoever operates it. */

/** @typedef {import("../answers.ts").SessionPortRow} SessionPort */

/**
 * @param {"zmq" | "srt" | "fastway"} kind The historical name of the TCP plane stays on the wire.
 * @param {"rlx1"} [protocol] All ports of relay_X v1 are TCP, whatever they are called there.
 */
export function planeName(kind, protocol) {
  if (protocol === "rlx1") return "v1\u00a0TCP";
  if (kind === "fastway") return kind;
  return kind === "zmq" ? "TCP" : "SRT";
}

/**
 * How the bytes of an endpoint of fastway travel.
 * @param {import("../answers.ts").EndpointRow["transport"]} transport
 */
export function transportName(transport) {
  switch (transport) {
    case "tls":
      return "TLS";
    case "tls+snet":
      return "TLS, snet";
    case "snet":
      return "snet";
    default:
      return "plain TCP";
  }
}

/** The letters of a port map's `states`, in the order of its legend. */
export const PORT_STATES = /** @type {const} */ ([
  { letter: "i", name: "idle", means: "free for the next session" },
  { letter: "r", name: "reserved", means: "granted; its ends have not both come yet" },
  { letter: "o", name: "occupied", means: "both ends are there and bytes flow" },
  { letter: "b", name: "blocked", means: "cannot be opened; another program may have it" },
  { letter: "l", name: "leaving", means: "not in the range any more; gone with its session" },
]);

/** @typedef {typeof PORT_STATES[number]["letter"]} PortLetter */

/**
 * What holds one direction of a session back, with the ends by their names.
 * @param {string} word
 * @param {"up" | "down"} direction
 */
function bottleneck(word, direction) {
  const [from, to] = direction === "up" ? ["client", "server"] : ["server", "client"];
  switch (word) {
    case "network_in":
      return `packets lost between ${from} and relayx`;
    case "network_out":
      return `packets lost between relayx and ${to}`;
    case "reader":
      return `the ${to} does not take what it is sent`;
    case "relay":
      return "relayx or its machine does not keep up";
    case "rate":
      return "the byte rate of its principal or address";
    default:
      return word;
  }
}

const IN_ORDER = new Set(["sender", "idle", "unknown"]);

/**
 * What holds a port of a session back, both directions in one sentence.
 * @param {SessionPort} port
 * @returns {{ text: string, trouble: boolean }}
 */
export function heldBackBy({ phase, waiting, bottleneck_up: up, bottleneck_down: down }) {
  if (phase !== "occupied") {
    const text = waiting === null ? "waits for both ends" : `the ${waiting} waits for its peer`;
    return { text, trouble: false };
  }
  const parts = [];
  if (!IN_ORDER.has(up)) parts.push(`up: ${bottleneck(up, "up")}`);
  if (!IN_ORDER.has(down)) parts.push(`down: ${bottleneck(down, "down")}`);
  if (parts.length > 0) return { text: parts.join("; "), trouble: true };
  if (up === "unknown" && down === "unknown") return { text: "not measured", trouble: false };
  if (up === "sender" || down === "sender") return { text: "nothing", trouble: false };
  return { text: "nothing: idle", trouble: false };
}

/**
 * What holds the way from a stream's publisher to one viewer back.
 * @param {string} word
 */
export function streamHeldBackBy(word) {
  switch (word) {
    case "network_in":
      return "packets lost between the publisher and relayx";
    case "network_out":
      return "packets lost between relayx and this viewer";
    case "reader":
      return "this viewer does not take what it is sent";
    case "relay":
      return "relayx or its machine does not keep up";
    case "rate":
      return "the byte rate that it is allowed";
    case "sender":
      return "nothing";
    case "idle":
      return "nothing: idle";
    default:
      return "not measured";
  }
}

/** Why somebody was turned away, by the log's `status`; and what to look at. */
export const REFUSALS = /** @type {Readonly<Record<string, string>>} */ ({
  register_refused: "A registration was refused: its code and text are what the peer was told.",
  pair_refused: "A pairing was refused or given up; the client was told why, if it is still there.",
  limit_reached: "A configured bound was reached; the field limit names its key.",
  control_error: "A peer sent what is no message of the protocol, or may not be sent by it.",
  hello_error: "A connection to a data port did not say a proper hello in time.",
  hello_unproven: "The hello is right but lacks the proof that its side was given with the grant.",
  alloc_mismatch: "The hello names another session than the one that this port was granted to.",
  port_occupied: "The session on this port has both its ends already.",
  client_dup: "The session's client is connected already; this was a second one.",
  server_dup: "The session's server is connected already; this was a second one.",
  reservation_expired: "A granted port was not used in time: look at why its ends did not come.",
  streamid_error: "The SRT stream id cannot be read, or says nothing that is served here.",
  stream_denied: "There is no such stream on this port, or the key is wrong.",
  stream_busy: "Somebody publishes this stream already, and takeover is refuse.",
  stream_full: "The stream has as many viewers as viewers_max allows.",
  encryption_error: "The SRT passphrase is missing or wrong.",
  proxy_error: "A trusted proxy's PROXY header is missing or cannot be read.",
  tls_failed: "The TLS handshake failed: certificate, version or cipher.",
  tls_refused: "TLS is required and was not spoken, or the client certificate is missing or wrong.",
  lease_refused: "A peer of relay_X v1 was refused ports: its code and text are what it was told.",
  no_server: "A front end of relay_X v1 came to a port where no back end waited.",
  signature_refused: "A message of relay_X v1 was not signed as it must be, and was not acted on.",
  door_failed: "The TLS listeners of fastway had trouble; they are tried again.",
  fastway_refused: "A connection to a fastway port was turned away: its reason says by what.",
  banned: "An address or an id was banned, or came although it is.",
  admin_refused: "A request to this admin port was refused: token, host or form.",
  port_blocked: "A port cannot be opened: another program may have it.",
  stream_unavailable: "Named streams cannot be served on their port; it is tried again.",
  plane_failed: "A worker died and was replaced; its sessions have ended.",
});

/** @param {string} status */
export function refusalMeaning(status) {
  return Object.hasOwn(REFUSALS, status) ? REFUSALS[status] : "";
}
