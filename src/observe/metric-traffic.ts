/** The metrics of what is relayed. */
import {
  type Family,
  one,
  PROTOCOLS,
  type Readings,
  ROLES,
  type Sample,
  tally,
  total,
} from "./metric-readings.ts";

const PORT_STATES = ["idle", "reserved", "occupied", "blocked"] as const;
/** Of the ports of relay_X v1, which listen all the time. */
const STANDING_STATES = ["empty", "ready", "busy", "closed"] as const;

/** Data connections of each role that have said who they are. */
function connections(kind: string): Family["read"] {
  return (readings) => {
    const statuses = ["client_pending", "server_pending", "paired"];
    const found = tally(
      readings,
      statuses,
      ({ plane, reason }) => plane === kind ? { role: reason } : null,
    );
    const of = (role: string) => found.find(({ labels }) => labels.role === role)?.value ?? 0;
    return ROLES.map((role) => ({ labels: { role }, value: of(role) }));
  };
}

function streamConnections(readings: Readings): Sample[] {
  return [
    { labels: { role: "publisher" }, value: total(readings, ["publishing"]) },
    { labels: { role: "viewer" }, value: total(readings, ["viewing"]) },
  ];
}

export const TRAFFIC: readonly Family[] = [
  {
    name: "relayx_leases",
    type: "gauge",
    help: "Ports that peers of relay_X v1 have leased.",
    labels: [],
    read: ({ rlx1 }) => rlx1 === undefined ? [] : one(rlx1.leases),
  },
  {
    name: "relay_port_state",
    type: "gauge",
    help: "Ports of each pool by state.",
    labels: ["protocol", "state"],
    read: ({ port_state, rlx1 }) =>
      PROTOCOLS.flatMap((protocol) => [
        ...PORT_STATES.map((state) => ({
          labels: { protocol, state },
          value: port_state[protocol][state],
        })),
        ...(rlx1 === undefined ? [] : STANDING_STATES).map((state) => ({
          labels: { protocol, state },
          value: rlx1?.ports[protocol][state] ?? 0,
        })),
      ]),
  },
  {
    name: "relay_pipe_bytes_total",
    type: "counter",
    help: "Bytes relayed in sessions, those that run included; up is from client to server.",
    labels: ["direction", "protocol"],
    read: ({ bytes }) =>
      PROTOCOLS.flatMap((protocol) =>
        (["up", "down"] as const).map((direction) => ({
          labels: { direction, protocol },
          value: bytes[protocol][direction],
        }))
      ),
  },
  {
    name: "zmq_conn_total",
    type: "counter",
    help: "TCP data connections that have said who they are, by role.",
    labels: ["role"],
    read: connections("zmq"),
  },
  {
    name: "srt_conn_total",
    type: "counter",
    help: "SRT data connections that have said who they are, by role.",
    labels: ["role"],
    read: (readings) => [...connections("srt")(readings), ...streamConnections(readings)],
  },
  {
    name: "relayx_streams",
    type: "gauge",
    help: "Named streams that are configured.",
    labels: [],
    read: ({ streams }) => one(streams.configured),
  },
  {
    name: "relayx_stream_publishers",
    type: "gauge",
    help: "Publishers of named streams.",
    labels: [],
    read: ({ streams }) => one(streams.publishers),
  },
  {
    name: "relayx_stream_viewers",
    type: "gauge",
    help: "Viewers of named streams.",
    labels: [],
    read: ({ streams }) => one(streams.viewers),
  },
  {
    name: "relayx_stream_bytes_total",
    type: "counter",
    help: "Bytes of named streams, in from publishers and out to viewers.",
    labels: ["direction"],
    read: ({ stream_bytes }) =>
      (["in", "out"] as const).map((direction) => ({
        labels: { direction },
        value: stream_bytes[direction],
      })),
  },
];
