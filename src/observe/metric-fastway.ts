/** The metrics of fastway; none where it is not served. */
import { type Family, type Readings, type Sample, tally } from "./metric-readings.ts";

type Figures = NonNullable<Readings["fastway"]>;

const SIDES = ["client", "server"] as const;
const DIRECTIONS = ["in", "out"] as const;
const DIAL_REFUSALS = ["unknown", "limit", "draining"] as const;

function where(read: (fastway: Figures, readings: Readings) => Sample[]): Family["read"] {
  return (readings) => readings.fastway === undefined ? [] : read(readings.fastway, readings);
}

function one(read: (fastway: Figures) => number): Family["read"] {
  return where((fastway) => [{ labels: {}, value: read(fastway) }]);
}

function tls(read: (tls: NonNullable<Figures["tls"]>) => Sample[]): Family["read"] {
  return where((fastway) => fastway.tls === undefined ? [] : read(fastway.tls));
}

function perWay(what: "messages" | "bytes"): Family["read"] {
  return where(({ carried }) =>
    SIDES.flatMap((side) =>
      DIRECTIONS.map((direction) => ({
        labels: { side, direction },
        value: carried[side][`${what}_${direction}`],
      }))
    )
  );
}

export const FASTWAY: readonly Family[] = [
  {
    name: "relayx_fastway_endpoints",
    type: "gauge",
    help: "Connections of fastway that take part, by side; snet sessions that are away included.",
    labels: ["side"],
    read: where(({ clients, servers }) => [
      { labels: { side: "client" }, value: clients },
      { labels: { side: "server" }, value: servers },
    ]),
  },
  {
    name: "relayx_fastway_endpoints_away",
    type: "gauge",
    help: "Snet sessions of fastway that wait for their peer to come back.",
    labels: [],
    read: one(({ away }) => away),
  },
  {
    name: "relayx_fastway_endpoints_ended_total",
    type: "counter",
    help: "Connections of fastway that have taken part and are over, by reason.",
    labels: ["reason"],
    read: where((_, readings) => tally(readings, ["fastway_over"], ({ reason }) => ({ reason }))),
  },
  {
    name: "relayx_fastway_refused_total",
    type: "counter",
    help: "Connections of fastway that were turned away before they took part, by reason.",
    labels: ["reason"],
    read: where((_, readings) =>
      tally(readings, ["fastway_refused"], ({ reason }) => ({ reason }))
    ),
  },
  {
    name: "relayx_fastway_virtual_connections",
    type: "gauge",
    help: "Virtual connections of fastway.",
    labels: [],
    read: one(({ virtual }) => virtual),
  },
  {
    name: "relayx_fastway_virtual_connections_total",
    type: "counter",
    help: "Virtual connections of fastway since the start.",
    labels: [],
    read: one(({ virtual_total }) => virtual_total),
  },
  {
    name: "relayx_fastway_dials_refused_total",
    type: "counter",
    help: "Dials of fastway refused: nobody has the id, ClientMaxConn, or the gateway drains.",
    labels: ["reason"],
    read: where(({ refused }) =>
      DIAL_REFUSALS.map((reason) => ({ labels: { reason }, value: refused[reason] }))
    ),
  },
  {
    name: "relayx_fastway_messages_total",
    type: "counter",
    help:
      "Frames of fastway, commands included, by who has sent them (in) or been sent them (out).",
    labels: ["side", "direction"],
    read: perWay("messages"),
  },
  {
    name: "relayx_fastway_bytes_total",
    type: "counter",
    help: "The bytes of these frames with their heads.",
    labels: ["side", "direction"],
    read: perWay("bytes"),
  },
  {
    name: "relayx_fastway_unknown_total",
    type: "counter",
    help: "Messages for virtual connections that were over.",
    labels: [],
    read: one(({ unknown_total }) => unknown_total),
  },
  {
    name: "relayx_fastway_queue_messages",
    type: "gauge",
    help: "Messages that wait for slow receivers.",
    labels: [],
    read: one(({ queue_messages }) => queue_messages),
  },
  {
    name: "relayx_fastway_queue_bytes",
    type: "gauge",
    help: "The bytes of these messages.",
    labels: [],
    read: one(({ queue_bytes }) => queue_bytes),
  },
  {
    name: "relayx_fastway_pool_bytes",
    type: "gauge",
    help: "Memory for what waits or has come in part: taken from the system, and in use.",
    labels: ["state"],
    read: where(({ pool_bytes, pool_used_bytes }) => [
      { labels: { state: "taken" }, value: pool_bytes },
      { labels: { state: "used" }, value: pool_used_bytes },
    ]),
  },
  {
    name: "relayx_fastway_tls_connections",
    type: "gauge",
    help: "Connections to the TLS listeners of fastway: in the handshake, and through it and open.",
    labels: ["state"],
    read: tls(({ entering, open }) => [
      { labels: { state: "entering" }, value: entering },
      { labels: { state: "open" }, value: open },
    ]),
  },
  {
    name: "relayx_fastway_tls_handshakes_total",
    type: "counter",
    help: "Connections to the TLS listeners of fastway by what became of them; shed is unheard.",
    labels: ["result"],
    read: tls(({ passed_total, refused_total, shed_total }) => [
      { labels: { result: "passed" }, value: passed_total },
      { labels: { result: "refused" }, value: refused_total },
      { labels: { result: "shed" }, value: shed_total },
    ]),
  },
  {
    name: "relayx_fastway_tls_threads_replaced_total",
    type: "counter",
    help: "Threads of the TLS listeners of fastway that died and were replaced.",
    labels: [],
    read: one(({ tls }) => tls?.threads_replaced ?? 0),
  },
];
