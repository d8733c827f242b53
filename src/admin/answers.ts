/**
 * The admin API's answers and orders, `/api/v1/…`: the one description that the server, the OpenAPI
 * document, the commands and the dashboard share. Times are Unix milliseconds, rates bit/s.
 *
 *   GET    /healthz                             healthAnswer; no token needed
 *   GET    /readyz                              readyAnswer, with 503 while it is not; no token
 *   GET    /metrics                             Prometheus' text
 *   GET    /openapi.json                        this description
 *   GET    /api/v1/gateway                      gatewayAnswer
 *   GET    /api/v1/ports                        portsAnswer
 *   GET    /api/v1/registrations                registrationsAnswer
 *   DELETE /api/v1/registrations/{role}/{id}    ?sessions=true|false    kickAnswer
 *   GET    /api/v1/sessions                     sessionsAnswer
 *   GET    /api/v1/sessions/{session_id}        sessionAnswer
 *   DELETE /api/v1/sessions/{session_id}        kickAnswer
 *   GET    /api/v1/fastway/endpoints            ?side&id&after&limit    endpointsAnswer
 *   DELETE /api/v1/fastway/endpoints/{endpoint} kickAnswer
 *   GET    /api/v1/history                      historyAnswer; the last 5 minutes, second by second
 *   GET    /api/v1/streams                      streamsAnswer
 *   GET    /api/v1/events                       ?after&limit&wait_ms&session_id&id&status&level
 *                                               eventsAnswer; `status` may be several, with commas
 *   GET    /api/v1/explain/{subject}            explainAnswer; of a session, a peer or a trace
 *   GET    /api/v1/bans                         bansAnswer
 *   POST   /api/v1/bans                         banOrder → banAnswer
 *   DELETE /api/v1/bans/{subject}               kickAnswer
 *   POST   /api/v1/drain                        drainOrder → gatewayAnswer
 *   DELETE /api/v1/drain                        gatewayAnswer
 *   POST   /api/v1/reload                       reloadAnswer, or 422 with the problems
 *
 * Ids in a path are percent-encoded. `.` and `..` mean something else in a path, so where an id may
 * be one of them it can stand behind the question mark instead: `/registrations/{role}?id=..` and
 * `/explain?subject=..`. A POST says `content-type: application/json`, even one without a body.
 *
 * Every refusal is `errorAnswer` with a status of HTTP that fits.
 */
import { z } from "zod";

const time = z.int().min(0);
const count = z.int().min(0);

export const roleSchema = z.enum(["client", "server"]);
export const planeKindSchema = z.enum(["zmq", "srt"]);

export const errorAnswer = z.object({
  /** A stable word: `not_found`, `unauthorized`, `bad_request`, … */
  code: z.string(),
  found: z.string(),
  allowed: z.string(),
});

/** The process answers. */
export const healthAnswer = z.object({ status: z.literal("ok") });

/** Whether the gateway should get new clients, and why not. */
export const readyAnswer = z.object({ ready: z.boolean(), reasons: z.array(z.string()) });

export const portCounts = z.object({
  total: count,
  idle: count,
  reserved: count,
  occupied: count,
  blocked: count,
});

/** Ports of relay_X v1 by what is on them. */
const standingCounts = z.object({
  total: count,
  empty: count,
  ready: count,
  busy: count,
  closed: count,
});

/** What one side of fastway has sent to the gateway (`in`) and has been sent by it (`out`). */
const waysOfSide = z.object({
  bytes_in: count,
  bytes_out: count,
  messages_in: count,
  messages_out: count,
});

/** fastway; a message is a frame, commands included. */
const fastwayFigures = z.object({
  ports: z.object({ client: count, server: count }),
  clients: count,
  servers: count,
  /** Endpoints whose snet connection is lost and may come back. */
  away: count,
  /** Virtual connections now, and since the start. */
  virtual: count,
  virtual_total: count,
  /** Dials refused since the start: nobody has the id, ClientMaxConn, or the gateway drains. */
  refused: z.object({ unknown: count, limit: count, draining: count }),
  /** Messages for virtual connections that were over. */
  unknown_total: count,
  /** Since the start. */
  carried: z.object({ client: waysOfSide, server: waysOfSide }),
  /** What waits for slow receivers. */
  queue_messages: count,
  queue_bytes: count,
  /** Memory for what waits or has come in part: taken from the system, and in use. */
  pool_bytes: count,
  pool_used_bytes: count,
  workers: count,
  workers_replaced: count,
  /** As of `planes`. */
  loop_lag_ms: z.array(z.number().nullable()),
  /** The TLS listeners in front, where a side has one. */
  tls: z.object({
    ports: z.object({ client: count.optional(), server: count.optional() }),
    /** Connections that are on their way in, and those that are through and open. */
    entering: count,
    open: count,
    /** Since the start: those that got through, that were refused, and that were closed unheard. */
    passed_total: count,
    refused_total: count,
    shed_total: count,
    threads_replaced: count,
  }).optional(),
});

/** What the gateway does; `draining` may be taken back, `Stopping` may not. */
export const gatewayAnswer = z.object({
  state: z.enum(["Starting", "Running", "Draining", "Stopping", "Stopped"]),
  version: z.string(),
  protocol: z.string(),
  started_at_unix_ms: time,
  now_unix_ms: time,
  /** Null while it does not drain. */
  drain: z.object({ since_unix_ms: time, deadline_unix_ms: time.nullable() }).nullable(),
  connections: z.object({ registered: count, unproven: count, open: count }),
  sessions: count,
  waiting_requests: count,
  port_state: z.object({ zmq: portCounts, srt: portCounts }),
  planes: z.array(z.object({
    kind: planeKindSchema,
    workers: count,
    workers_replaced: count,
    ports_open: count,
    /** Of each worker: the longest turn of its loop in the last second, ms; null when it hangs. */
    loop_lag_ms: z.array(z.number().nullable()),
  })),
  /** Relay_X v1, where it is served; its sessions and bytes are in the other figures as well. */
  rlx1: z.object({
    front_ends: count,
    back_ends: count,
    leases: count,
    sessions: count,
    ports: z.object({ zmq: standingCounts, srt: standingCounts }),
  }).optional(),
  /** fastway, where it is served; nothing of it is in the other figures. */
  fastway: fastwayFigures.optional(),
  /** Since the start; sessions that run included. */
  bytes: z.object({
    zmq: z.object({ up: count, down: count }),
    srt: z.object({ up: count, down: count }),
  }),
});

/** The ports of one plane, at a glance. */
export const portMap = z.object({
  first: count,
  last: count,
  /** Sessions share a port, and these numbers are places on it. */
  shared: z.boolean(),
  counts: portCounts,
  /** One letter per port: `i`dle, `r`eserved, `o`ccupied, `b`locked, `l`eaving the range. */
  states: z.string(),
});
export const portsAnswer = z.object({ zmq: portMap, srt: portMap });

export const registration = z.object({
  role: roleSchema,
  id: z.string(),
  remote: z.string(),
  since_unix_ms: time,
  max_conn: count,
  ports_in_use: count,
  /** Who it has proven to be; `role:id` where `auth.mode` is open. */
  principal: z.string(),
  tls: z.boolean(),
});
export const registrationsAnswer = z.object({ registrations: z.array(registration) });

/** One port of a session. */
export const sessionPort = z.object({
  kind: planeKindSchema,
  port: count,
  phase: z.enum(["opening", "reserved", "occupied"]),
  /** The end that is connected and waits for the other. */
  waiting: roleSchema.nullable(),
  paired_unix_ms: time.nullable(),
  /** Where the ends come from, as far as they are there. */
  client_remote: z.string().nullable(),
  server_remote: z.string().nullable(),
  bytes_up: count,
  bytes_down: count,
  bps_up: z.number(),
  bps_down: z.number(),
  rtt_ms: z.number(),
  loss_pct: z.number(),
  retrans_pct: z.number(),
  bottleneck_up: z.string(),
  bottleneck_down: z.string(),
});

export const session = z.object({
  /** Where it is relay_X v1, both of whose ports are plain TCP: their `kind` is a label then. */
  protocol: z.literal("rlx1").optional(),
  session_id: z.string(),
  request_id: z.string(),
  client_id: z.string(),
  server_id: z.string(),
  trace_id: z.string().nullable(),
  since_unix_ms: time,
  ports: z.array(sessionPort),
});
export const sessionAnswer = session;
export const sessionsAnswer = z.object({ sessions: z.array(session) });

export const sideSchema = z.enum(["client", "server"]);

/** One physical connection of fastway, or the snet session that outlives it. */
export const endpoint = z.object({
  /** By this it is ended; no other ever has it. */
  endpoint: count,
  side: sideSchema,
  /** A client's number, or a server's id. */
  id: count,
  remote: z.string(),
  /** `fastway-server` for whoever knows the servers' key, `fastway-client` without a token. */
  principal: z.string(),
  transport: z.enum(["tcp", "snet", "tls", "tls+snet"]),
  since_unix_ms: time,
  /** Its connection is lost and may come back. */
  is_away: z.boolean(),
  bytes_in: count,
  bytes_out: count,
  messages_in: count,
  messages_out: count,
  bps_in: count,
  bps_out: count,
  /** Messages each second. */
  mps_in: count,
  mps_out: count,
  /** Virtual connections. */
  virtual: count,
  queue_messages: count,
  queue_bytes: count,
});
export const endpointsAnswer = z.object({
  endpoints: z.array(endpoint),
  /** What to ask `after` next; null: there are no more. */
  next: count.nullable(),
  /** All that pass, on whatever page. */
  total: count,
});

/** One value per second, oldest first, at most 300. */
const course = z.array(z.number().min(0)).max(300);
export const historyAnswer = z.object({
  /** The time of the last value of each course; the one before it is `interval_ms` older. */
  until_unix_ms: time,
  interval_ms: count,
  /** bit/s; as long as each other. */
  zmq: z.object({ up: course, down: course }),
  srt: z.object({ up: course, down: course }),
  /** Where it is served: up is what clients send, down what they are sent. */
  fastway: z.object({ up: course, down: course }).optional(),
  sessions: course,
});

/** What `relayx streams` shows; see `StreamListing` in `data/plane.ts`. */
export const streamsAnswer = z.object({ streams: z.array(z.looseObject({ name: z.string() })) });

/** A line of the log with a number; `fields` has what the line has beside these. */
export const event = z.object({
  seq: count,
  time_unix_ms: time,
  level: z.enum(["debug", "info", "warn", "error"]),
  /** What happened, in one word: the log's `status`. */
  status: z.string(),
  message: z.string(),
  fields: z.record(z.string(), z.unknown()),
});
export const eventsAnswer = z.object({
  events: z.array(event),
  /** What to ask `after` next. */
  last_seq: count,
  /** Events after `after` that are not kept any more. */
  missed: count,
});

export const explainAnswer = z.object({
  subject: z.string(),
  is: z.enum(["session", "client", "server", "unknown"]),
  sentences: z.array(z.string()),
  events: z.array(event),
});

export const banSchema = z.object({
  /** `address:192.0.2.7`, `address:2001:db8::/64` or `id:some-peer`. */
  subject: z.string(),
  reason: z.string(),
  since_unix_ms: time,
  /** Null: until it is taken back. */
  until_unix_ms: time.nullable(),
  /** Made by relayx after failures, and not by a person. */
  automatic: z.boolean(),
});
export const bansAnswer = z.object({ bans: z.array(banSchema) });
export const banAnswer = banSchema;
export const banOrder = z.strictObject({
  subject: z.string().min(1).max(256),
  /** Null or absent: until it is taken back. */
  duration_ms: z.int().min(1).max(315_360_000_000).nullable().default(null),
  reason: z.string().max(256).default(""),
  /** Ends the sessions of whoever is meant as well, not only the registrations. */
  sessions: z.boolean().optional(),
});

export const drainOrder = z.strictObject({
  /** Null or absent: as long as sessions like; else what is left then is ended. */
  deadline_ms: z.int().min(0).max(86_400_000).nullable().default(null),
});

/** How many connections, registrations or sessions an order has ended. */
export const kickAnswer = z.object({ ended: count });

export const reloadAnswer = z.object({
  /** Keys whose new value is in force. */
  applied: z.array(z.string()),
  /** Keys that have changed in the file and wait for a restart. */
  needs_restart: z.array(z.string()),
});

export type GatewayAnswer = z.infer<typeof gatewayAnswer>;
export type PortMap = z.infer<typeof portMap>;
export type PortsAnswer = z.infer<typeof portsAnswer>;
export type RegistrationRow = z.infer<typeof registration>;
export type SessionRow = z.infer<typeof session>;
export type SessionPortRow = z.infer<typeof sessionPort>;
export type EndpointRow = z.infer<typeof endpoint>;
export type EndpointsAnswer = z.infer<typeof endpointsAnswer>;
export type HistoryAnswer = z.infer<typeof historyAnswer>;
export type EventRow = z.infer<typeof event>;
export type EventsAnswer = z.infer<typeof eventsAnswer>;
export type ExplainAnswer = z.infer<typeof explainAnswer>;
export type BanRow = z.infer<typeof banSchema>;
export type BanOrder = z.infer<typeof banOrder>;
export type ReloadAnswer = z.infer<typeof reloadAnswer>;
export type ErrorAnswer = z.infer<typeof errorAnswer>;
