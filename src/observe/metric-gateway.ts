/** The metrics of the gateway's own state. */
import { type Family, one, type Readings, ROLES } from "./metric-readings.ts";

const STATES = ["Starting", "Running", "Draining", "Stopping", "Stopped"];

/** The workers of every plane, fastway's among them where it is served. */
function allWorkers({ planes, fastway }: Readings) {
  return fastway === undefined ? planes : [...planes, { kind: "fastway", ...fastway }];
}

type Workers = ReturnType<typeof allWorkers>[number];

function perPlane(read: (workers: Workers) => number): Family["read"] {
  return (readings) =>
    allWorkers(readings).map((one) => ({ labels: { protocol: one.kind }, value: read(one) }));
}

export const GATEWAY: readonly Family[] = [
  {
    name: "relayx_build_info",
    type: "gauge",
    help: "What runs here; always 1.",
    labels: ["version", "protocol", "runtime"],
    read: (
      { version, protocol, runtime },
    ) => [{ labels: { version, protocol, runtime }, value: 1 }],
  },
  {
    name: "relayx_state",
    type: "gauge",
    help: "What the gateway does: 1 for that state, 0 for the others.",
    labels: ["state"],
    read: ({ state }) =>
      STATES.map((name) => ({ labels: { state: name }, value: Number(name === state) })),
  },
  {
    name: "relayx_sessions",
    type: "gauge",
    help: "Sessions granted or running.",
    labels: [],
    read: ({ sessions }) => one(sessions),
  },
  {
    name: "relayx_waiting_requests",
    type: "gauge",
    help: "Pair requests that wait for a server, room or a port.",
    labels: [],
    read: ({ waiting_requests }) => one(waiting_requests),
  },
  {
    name: "relayx_registrations",
    type: "gauge",
    help: "Registered peers by role.",
    labels: ["role"],
    read: ({ registrations }) =>
      ROLES.map((role) => ({ labels: { role }, value: registrations[role] })),
  },
  {
    name: "relayx_connections",
    type: "gauge",
    help: "Connections to the control port; open counts all of them.",
    labels: ["state"],
    read: ({ connections }) =>
      (["registered", "unproven", "open"] as const).map((state) => ({
        labels: { state },
        value: connections[state],
      })),
  },
  {
    name: "relayx_admin_connections",
    type: "gauge",
    help: "Connections to the admin port.",
    labels: [],
    read: ({ admin_connections }) => one(admin_connections),
  },
  {
    name: "relayx_bans",
    type: "gauge",
    help: "Bans in force.",
    labels: [],
    read: ({ bans }) => one(bans),
  },
  {
    name: "relayx_workers",
    type: "gauge",
    help: "Data workers of each plane.",
    labels: ["protocol"],
    read: perPlane(({ workers }) => workers),
  },
  {
    name: "relayx_workers_hung",
    type: "gauge",
    help: "Data workers that do not answer.",
    labels: ["protocol"],
    read: perPlane(({ loop_lag_ms }) => loop_lag_ms.filter((lag) => lag === null).length),
  },
  {
    name: "relayx_workers_replaced_total",
    type: "counter",
    help: "Data workers that died and were replaced.",
    labels: ["protocol"],
    read: perPlane(({ workers_replaced }) => workers_replaced),
  },
  {
    name: "relayx_ports_open",
    type: "gauge",
    help: "Data ports that are listened on.",
    labels: ["protocol"],
    read: ({ planes }) =>
      planes.map(({ kind, ports_open }) => ({ labels: { protocol: kind }, value: ports_open })),
  },
  {
    name: "relayx_worker_loop_lag_seconds",
    type: "gauge",
    help: "The longest turn of each data worker's loop in the last second.",
    labels: ["protocol", "worker"],
    read: (readings) =>
      allWorkers(readings).flatMap(({ kind, loop_lag_ms }) =>
        loop_lag_ms.flatMap((lag, worker) =>
          lag === null ? [] : [{ labels: { protocol: kind, worker }, value: lag / 1000 }]
        )
      ),
  },
  {
    name: "relayx_control_loop_lag_seconds",
    type: "gauge",
    help: "How late the main thread's event loop has run at most in the last 15 s.",
    labels: [],
    read: ({ control_loop_lag_ms }) => one(control_loop_lag_ms / 1000),
  },
];
