/** The metrics of what has happened, from the counts of the journal. */
import { type Family, one, ROLES, tally, total } from "./metric-readings.ts";

/** The statuses with which a connection to a data port is turned away. */
export const HELLO_FAILURES = [
  "hello_error",
  "alloc_mismatch",
  "port_occupied",
  "server_dup",
  "client_dup",
  "proxy_error",
  "hello_unproven",
  "streamid_error",
  "stream_denied",
  "stream_busy",
  "stream_full",
  "encryption_error",
  "no_server",
] as const;

export const EVENTS: readonly Family[] = [
  {
    name: "relayx_grants_total",
    type: "counter",
    help: "Sessions granted.",
    labels: [],
    read: (readings) => one(total(readings, ["pair_granted", "lease_granted"])),
  },
  {
    name: "relayx_refusals_total",
    type: "counter",
    help: "Registrations and pair requests refused, by the code of the answer or the reason.",
    labels: ["request", "reason"],
    read: (readings) =>
      tally(
        readings,
        ["register_refused", "pair_refused", "lease_refused"],
        ({ status, reason }) => ({
          request: status === "register_refused" ? "register" : "pair",
          reason: reason === "" || (ROLES as readonly string[]).includes(reason)
            ? "unknown"
            : reason,
        }),
      ),
  },
  {
    name: "relayx_hello_failures_total",
    type: "counter",
    help: "Connections to data ports turned away, by protocol and status.",
    labels: ["protocol", "status"],
    read: (readings) =>
      tally(
        readings,
        HELLO_FAILURES,
        ({ plane, status }) => ({ protocol: plane || "srt", status }),
      ),
  },
  {
    name: "relayx_limit_reached_total",
    type: "counter",
    help: "Times that a limit has turned something away, by the limit's name.",
    labels: ["limit"],
    read: (readings) =>
      tally(readings, ["limit_reached"], ({ reason }) => ({ limit: reason || "unknown" })),
  },
  {
    name: "relayx_session_ends_total",
    type: "counter",
    help: "Session ports closed after both ends were there, by protocol and reason.",
    labels: ["protocol", "reason"],
    read: (readings) =>
      tally(
        readings,
        ["session_stop", "heartbeat_timeout"],
        ({ plane, reason }) => ({ protocol: plane, reason }),
      ),
  },
  {
    name: "relayx_events_total",
    type: "counter",
    help: "Everything that the log tells, by level, status, protocol and reason where it has them.",
    labels: ["level", "status", "protocol", "reason"],
    read: ({ counts }) =>
      counts.map(({ level, status, plane, reason, count }) => ({
        labels: { level, status, protocol: plane, reason },
        value: count,
      })),
  },
  {
    name: "relayx_recorded_events",
    type: "gauge",
    help: "Events that are kept for the admin API.",
    labels: [],
    read: ({ recorded }) => one(recorded.events),
  },
  {
    name: "relayx_recorded_bytes",
    type: "gauge",
    help: "Memory of the events that are kept, estimated.",
    labels: [],
    read: ({ recorded }) => one(recorded.bytes),
  },
  {
    name: "relayx_log_lines_lost_total",
    type: "counter",
    help: "Lines of the log that could not be written.",
    labels: [],
    read: ({ log_lines_lost }) => one(log_lines_lost),
  },
];
