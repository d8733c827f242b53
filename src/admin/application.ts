/** What the admin port serves: the routes, their description, the page, and words for what is not. */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { z } from "zod";
import { refusalResponse } from "./exchange.ts";
import { refusal, RefusedRequest, shown } from "./refusal.ts";
import { addOrders } from "./routes/orders.ts";
import { type AdminApp, type AdminEnv, type RouteOptions } from "./routes/parts.ts";
import { addProbes, type MetricsPage } from "./routes/probes.ts";
import { addViews } from "./routes/views.ts";
import type { History } from "./history.ts";
import type { Application, Asker } from "./server.ts";

/** A file of the browser's page. */
export interface Asset {
  /** Its content-type. */
  type: string;
  body: string | Uint8Array<ArrayBuffer>;
}

/** By path; `/` is the page itself. */
export type Assets = ReadonlyMap<string, Asset>;

export interface ApplicationOptions extends RouteOptions {
  history: History;
  /** Made when it is first asked for: its library is no small one. */
  metrics: () => Promise<MetricsPage>;
  assets: Assets;
  version: string;
  metrics_open: boolean;
}

const METHODS = ["GET", "POST", "DELETE"];

export class AdminApplication implements Application {
  readonly #options: ApplicationOptions;
  readonly #app: AdminApp;
  #metrics_open: boolean;

  constructor(options: ApplicationOptions) {
    this.#options = options;
    this.#metrics_open = options.metrics_open;
    this.#app = this.#routes();
  }

  async fetch(request: Request, { by }: Asker): Promise<Response> {
    return await this.#app.fetch(request, { by });
  }

  isOpen(path: string): boolean {
    if (path === "/healthz" || path === "/readyz") return true;
    return path === "/metrics" ? this.#metrics_open : this.#options.assets.has(path);
  }

  apply({ metrics_open }: { metrics_open: boolean }): void {
    this.#metrics_open = metrics_open;
  }

  #routes(): AdminApp {
    const { assets, version } = this.#options;
    const app: AdminApp = new OpenAPIHono<AdminEnv>({
      defaultHook: (result) => {
        if (!result.success) throw new RefusedRequest(badRequest(result.error));
      },
    });
    addProbes(app, this.#options, this.#options.metrics);
    addViews(app, this.#options);
    addOrders(app, this.#options);
    app.openAPIRegistry.registerComponent("securitySchemes", "bearer", {
      type: "http",
      scheme: "bearer",
      description: "admin.token, or to read only admin.read_token; none where neither is set",
    });
    app.doc31("/openapi.json", {
      openapi: "3.1.0",
      info: { title: "relayx admin API", version },
    });
    for (const [path, { type, body }] of assets) {
      app.get(path, () => new Response(body, { headers: { "content-type": type } }));
    }
    app.notFound((c) => this.#nothingThere(c.req.method, c.req.path));
    app.onError((error) => {
      if (error instanceof RefusedRequest) return refusalResponse(error.refusal);
      // What the library says of a body that is no JSON.
      if ("status" in error && error.status === 400) {
        return refusalResponse(refusal(400, "bad_request", "a body that is no JSON", "JSON"));
      }
      this.#options.log.error({ status: "admin_error", error }, "an admin request failed");
      const found = "a mistake of relayx itself; the log has it";
      return refusalResponse(refusal(500, "internal", found, "another try"));
    });
    return app;
  }

  #nothingThere(method: string, path: string): Response {
    const there = METHODS.filter((one) => this.#app.router.match(one, path)[0].length > 0);
    if (there.length > 0) {
      const allow = there.flatMap((one) => one === "GET" ? ["GET", "HEAD"] : [one]).join(", ");
      return refusalResponse(refusal(405, "method_not_allowed", method, allow, { allow }));
    }
    const found = `nothing under ${shown(path)}`;
    return refusalResponse(refusal(404, "not_found", found, "a path of /openapi.json"));
  }
}

/** The first thing that is wrong with a query, a path or a body. */
function badRequest(error: z.core.$ZodError) {
  const [issue] = error.issues;
  const where = issue.path.map(String).join(".") || "the body";
  return refusal(400, "bad_request", `a wrong ${shown(where)}`, issue.message);
}
