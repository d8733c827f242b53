/** What an operator can order. Each order is in the log with who gave it and what came of it. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { ConfigError } from "../../config/problem.ts";
import {
  banAnswer,
  banOrder,
  drainOrder,
  gatewayAnswer,
  kickAnswer,
  reloadAnswer,
  roleSchema,
} from "../answers.ts";
import { notFound, refusal, RefusedRequest, shown } from "../refusal.ts";
import { OrderError } from "../source.ts";
import {
  type AdminApp,
  flagText,
  idText,
  json,
  NAMED_REFUSALS,
  numberText,
  ORDER_REFUSALS,
  type RouteOptions,
  SECURITY,
} from "./parts.ts";

const ended = { 200: json(kickAnswer, "How many were ended."), ...NAMED_REFUSALS };
const kickQuery = z.object({ sessions: flagText.default("false") });

const kickSession = createRoute({
  method: "delete",
  path: "/api/v1/sessions/{session_id}",
  summary: "Ends a session.",
  security: SECURITY,
  request: { params: z.object({ session_id: idText }) },
  responses: ended,
});

const kickRegistration = createRoute({
  method: "delete",
  path: "/api/v1/registrations/{role}/{id}",
  summary: "Ends a registration and, if asked, its sessions.",
  security: SECURITY,
  request: { params: z.object({ role: roleSchema, id: idText }), query: kickQuery },
  responses: ended,
});
const kickRegistrationQuery = createRoute({
  method: "delete",
  path: "/api/v1/registrations/{role}",
  summary: "The same, for an id that no path can hold.",
  security: SECURITY,
  request: { params: z.object({ role: roleSchema }), query: kickQuery.extend({ id: idText }) },
  responses: ended,
});

const kickEndpoint = createRoute({
  method: "delete",
  path: "/api/v1/fastway/endpoints/{endpoint}",
  summary: "Ends an endpoint of fastway with its virtual connections.",
  security: SECURITY,
  request: { params: z.object({ endpoint: numberText(Number.MAX_SAFE_INTEGER) }) },
  responses: ended,
});

const ban = createRoute({
  method: "post",
  path: "/api/v1/bans",
  summary: "Keeps an address, a network or an id out.",
  security: SECURITY,
  request: { body: { required: true, content: { "application/json": { schema: banOrder } } } },
  responses: { 200: json(banAnswer, "The ban."), ...ORDER_REFUSALS },
});
const unban = createRoute({
  method: "delete",
  path: "/api/v1/bans/{subject}",
  summary: "Takes a ban back.",
  security: SECURITY,
  request: { params: z.object({ subject: idText }) },
  responses: {
    ...ended,
    422: ORDER_REFUSALS[422],
  },
});

const drain = createRoute({
  method: "post",
  path: "/api/v1/drain",
  summary:
    "No new registrations and grants; what runs goes on, until the deadline if there is one.",
  security: SECURITY,
  request: { body: { required: false, content: { "application/json": { schema: drainOrder } } } },
  responses: { 200: json(gatewayAnswer, "The gateway, draining."), ...ORDER_REFUSALS },
});
const undrain = createRoute({
  method: "delete",
  path: "/api/v1/drain",
  summary: "Takes the drain back.",
  security: SECURITY,
  responses: { 200: json(gatewayAnswer, "The gateway, running."), ...ORDER_REFUSALS },
});
const reload = createRoute({
  method: "post",
  path: "/api/v1/reload",
  summary: "Reads the configuration anew.",
  security: SECURITY,
  responses: { 200: json(reloadAnswer, "What has changed."), ...ORDER_REFUSALS },
});

export function addOrders(app: AdminApp, { source, log }: RouteOptions): void {
  /** Carries an order out and logs it, whatever comes of it. */
  async function order<Outcome>(
    by: string,
    what: Record<string, unknown> & { order: string },
    carryOut: () => Outcome | Promise<Outcome>,
  ): Promise<Outcome> {
    try {
      const outcome = await carryOut();
      log.info({ status: "admin_order", ...what, by }, "an operator's order is carried out");
      return outcome;
    } catch (error) {
      const refused = refusalOf(error);
      const code = refused?.code ?? "internal";
      log.warn(
        {
          status: "admin_order",
          ...what,
          by,
          code,
          error: error instanceof Error ? error.message : String(error),
        },
        "an operator's order is not carried out",
      );
      throw refused === null ? error : new RefusedRequest(refused);
    }
  }

  app.openapi(kickSession, async (c) => {
    const { session_id } = c.req.valid("param");
    const what = { order: "kick_session", session_id };
    await order(c.env.by, what, () => {
      if (!source.kickSession(session_id, c.env.by)) {
        throw notFound(`no session ${shown(session_id)}`, "a session that runs");
      }
    });
    return c.json({ ended: 1 }, 200);
  });

  async function kick(role: "client" | "server", id: string, sessions: boolean, by: string) {
    const what = { order: "kick_registration", role, id, sessions };
    return await order(by, what, () => {
      const ended = source.kickRegistration(role, id, { sessions, by });
      if (ended === null) throw notFound(`no ${role} ${shown(id)}`, `a ${role} that is registered`);
      return { ended };
    });
  }
  app.openapi(kickRegistration, async (c) => {
    const { role, id } = c.req.valid("param");
    const { sessions } = c.req.valid("query");
    return c.json(await kick(role, id, sessions === "true", c.env.by), 200);
  });
  app.openapi(kickRegistrationQuery, async (c) => {
    const { id, sessions } = c.req.valid("query");
    const { role } = c.req.valid("param");
    return c.json(await kick(role, id, sessions === "true", c.env.by), 200);
  });

  app.openapi(kickEndpoint, async (c) => {
    const { endpoint } = c.req.valid("param");
    await order(c.env.by, { order: "kick_endpoint", endpoint }, () => {
      if (!source.kickEndpoint(endpoint)) {
        throw notFound(`no endpoint ${endpoint}`, "one of /api/v1/fastway/endpoints");
      }
    });
    return c.json({ ended: 1 }, 200);
  });

  app.openapi(ban, async (c) => {
    const asked = c.req.valid("json");
    const what = { order: "ban", subject: asked.subject, duration_ms: asked.duration_ms };
    return c.json(await order(c.env.by, what, () => source.ban(asked, c.env.by)), 200);
  });
  app.openapi(unban, async (c) => {
    const { subject } = c.req.valid("param");
    await order(c.env.by, { order: "unban", subject }, () => {
      if (!source.unban(subject, c.env.by)) {
        throw notFound(`no ban of ${shown(subject)}`, "a ban of /api/v1/bans");
      }
    });
    return c.json({ ended: 1 }, 200);
  });

  app.openapi(drain, async (c) => {
    const { deadline_ms = null } = c.req.valid("json") ?? {};
    const what = { order: "drain", deadline_ms };
    await order(c.env.by, what, () => source.drain(deadline_ms, c.env.by));
    return c.json(source.gateway(), 200);
  });
  app.openapi(undrain, async (c) => {
    await order(c.env.by, { order: "undrain" }, () => source.undrain(c.env.by));
    return c.json(source.gateway(), 200);
  });
  app.openapi(reload, async (c) => {
    return c.json(await order(c.env.by, { order: "reload" }, () => source.reload(c.env.by)), 200);
  });
}

/** What the caller is told of an order that failed; null where that is our own mistake. */
function refusalOf(error: unknown) {
  if (error instanceof RefusedRequest) return error.refusal;
  if (error instanceof OrderError) {
    return refusal(422, error.code, error.found, error.allowed);
  }
  if (error instanceof ConfigError) {
    return refusal(
      422,
      "config_error",
      error.message,
      "a configuration without mistakes; nothing changed",
    );
  }
  return null;
}
