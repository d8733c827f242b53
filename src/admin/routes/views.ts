/** What there is to see: the gateway, its ports, who is there, what runs and what has happened. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { EVENT_LEVELS } from "../../observe/event.ts";
import {
  bansAnswer,
  endpointsAnswer,
  eventsAnswer,
  explainAnswer,
  gatewayAnswer,
  historyAnswer,
  portsAnswer,
  registrationsAnswer,
  sessionAnswer,
  sessionsAnswer,
  sideSchema,
  streamsAnswer,
} from "../answers.ts";
import { explain } from "../explain.ts";
import type { History } from "../history.ts";
import { notFound, notServed, shown } from "../refusal.ts";
import {
  type AdminApp,
  idText,
  json,
  NAMED_REFUSALS,
  numberText,
  REFUSALS,
  type RouteOptions,
  SECURITY,
} from "./parts.ts";

/** The longest that a reader may wait for an event. */
const WAIT_MS_MAX = 30_000;
const EVENTS_MAX = 1000;
const EVENTS_USUAL = 100;
/** Endpoints of one page: 10,000 take some 4 MB. */
const ENDPOINTS_MAX = 10_000;
const ENDPOINTS_USUAL = 1000;
const U32_MAX = 0xffff_ffff;

function view<Path extends string, Schema extends z.ZodType>(
  path: Path,
  summary: string,
  schema: Schema,
) {
  return createRoute({
    method: "get",
    path,
    summary,
    security: SECURITY,
    responses: { 200: json(schema, summary), ...REFUSALS },
  });
}

const gateway = view("/api/v1/gateway", "What the gateway does.", gatewayAnswer);
const ports = view("/api/v1/ports", "The state of every port.", portsAnswer);
const registrations = view("/api/v1/registrations", "Who is registered.", registrationsAnswer);
const sessions = view("/api/v1/sessions", "Every session.", sessionsAnswer);
const history = view("/api/v1/history", "The last five minutes.", historyAnswer);
const streams = view("/api/v1/streams", "The named streams.", streamsAnswer);
const bans = view("/api/v1/bans", "Who is banned.", bansAnswer);

const session = createRoute({
  method: "get",
  path: "/api/v1/sessions/{session_id}",
  summary: "One session.",
  security: SECURITY,
  request: { params: z.object({ session_id: idText }) },
  responses: { 200: json(sessionAnswer, "The session."), ...NAMED_REFUSALS },
});

const eventQuery = z.object({
  after: numberText(Number.MAX_SAFE_INTEGER).optional(),
  limit: numberText(EVENTS_MAX).pipe(z.int().min(1)).default(EVENTS_USUAL),
  wait_ms: numberText(WAIT_MS_MAX).default(0),
  session_id: idText.optional(),
  id: idText.optional(),
  /** One word, or several with commas between them. */
  status: z.string().regex(/^\w+(?:,\w+)*$/).max(2048).optional(),
  level: z.enum(EVENT_LEVELS).optional(),
});

const events = createRoute({
  method: "get",
  path: "/api/v1/events",
  summary: "What has happened; with wait_ms, what happens next.",
  security: SECURITY,
  request: { query: eventQuery },
  responses: { 200: json(eventsAnswer, "The events, oldest first."), ...REFUSALS },
});

const endpoints = createRoute({
  method: "get",
  path: "/api/v1/fastway/endpoints",
  summary: "Who is connected by fastway, in the order of their numbers.",
  security: SECURITY,
  request: {
    query: z.object({
      side: sideSchema.optional(),
      id: numberText(U32_MAX).optional(),
      after: numberText(Number.MAX_SAFE_INTEGER).optional(),
      limit: numberText(ENDPOINTS_MAX).pipe(z.int().min(1)).default(ENDPOINTS_USUAL),
    }),
  },
  responses: { 200: json(endpointsAnswer, "A page of them."), ...NAMED_REFUSALS },
});

const explained = { 200: json(explainAnswer, "What is known, in sentences."), ...REFUSALS };
const explainPath = createRoute({
  method: "get",
  path: "/api/v1/explain/{subject}",
  summary: "What has become of a session or a peer.",
  security: SECURITY,
  request: { params: z.object({ subject: idText }) },
  responses: explained,
});
const explainQuery = createRoute({
  method: "get",
  path: "/api/v1/explain",
  summary: "The same, for a subject that no path can hold.",
  security: SECURITY,
  request: { query: z.object({ subject: idText }) },
  responses: explained,
});

export function addViews(app: AdminApp, options: RouteOptions & { history: History }): void {
  const { source, journal } = options;
  app.openapi(gateway, (c) => c.json(source.gateway(), 200));
  app.openapi(ports, (c) => c.json(source.ports(), 200));
  app.openapi(registrations, (c) => c.json({ registrations: source.registrations() }, 200));
  app.openapi(sessions, (c) => c.json({ sessions: source.sessions() }, 200));
  app.openapi(session, (c) => {
    const { session_id } = c.req.valid("param");
    const row = source.session(session_id);
    if (row === null) {
      throw notFound(`no session ${shown(session_id)}`, "a session that runs; see /api/v1/explain");
    }
    return c.json(row, 200);
  });
  app.openapi(history, (c) => c.json(options.history.snapshot(), 200));
  app.openapi(streams, (c) => c.json({ streams: source.streams() }, 200));
  app.openapi(bans, (c) => c.json({ bans: source.bans() }, 200));
  app.openapi(endpoints, (c) => {
    const { after = -1, ...query } = c.req.valid("query");
    const page = source.endpoints({ ...query, after });
    if (page === null) throw notServed();
    return c.json(page, 200);
  });
  app.openapi(events, async (c) => {
    const { wait_ms, status, ...query } = c.req.valid("query");
    const asked = { ...query, status: status?.split(",") };
    const page = await journal.wait(asked, wait_ms, c.req.raw.signal);
    return c.json(page as z.infer<typeof eventsAnswer>, 200);
  });
  app.openapi(
    explainPath,
    (c) => c.json(explain(c.req.valid("param").subject, options, Date.now()), 200),
  );
  app.openapi(
    explainQuery,
    (c) => c.json(explain(c.req.valid("query").subject, options, Date.now()), 200),
  );
}
