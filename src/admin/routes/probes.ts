/** What other programs ask: does it live, may it get clients, what are its figures. */
import { createRoute } from "@hono/zod-openapi";
import { z } from "zod";
import { healthAnswer, readyAnswer } from "../answers.ts";
import { type AdminApp, json, REFUSALS, type RouteOptions, SECURITY } from "./parts.ts";

const { 401: _, 429: __, ...OPEN_REFUSALS } = REFUSALS;

const health = createRoute({
  method: "get",
  path: "/healthz",
  summary: "The process answers.",
  responses: { 200: json(healthAnswer, "It does."), ...OPEN_REFUSALS },
});

const ready = createRoute({
  method: "get",
  path: "/readyz",
  summary: "Whether the gateway should get new clients.",
  responses: {
    200: json(readyAnswer, "It should."),
    503: json(readyAnswer, "It should not, for these reasons."),
    ...OPEN_REFUSALS,
  },
});

const metrics = createRoute({
  method: "get",
  path: "/metrics",
  summary: "The metrics, in Prometheus' text format.",
  security: SECURITY,
  responses: {
    200: { description: "All of them.", content: { "text/plain": { schema: z.string() } } },
    ...REFUSALS,
  },
});

/** The metrics as a page. */
export interface MetricsPage {
  readonly contentType: string;
  read(): Promise<string>;
}

export function addProbes(
  app: AdminApp,
  { source }: RouteOptions,
  page: () => Promise<MetricsPage>,
): void {
  app.openapi(health, (c) => c.json({ status: "ok" as const }, 200));
  app.openapi(ready, (c) => {
    const reasons = source.notReady();
    return reasons.length === 0
      ? c.json({ ready: true, reasons }, 200)
      : c.json({ ready: false, reasons }, 503);
  });
  app.openapi(metrics, async (c) => {
    const { contentType, read } = await page();
    return c.text(await read(), 200, { "content-type": contentType });
  });
}
