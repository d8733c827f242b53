/** The admin port of a gateway under test: asked as a program would, and with bytes as they are. */
import { connect, type Socket } from "node:net";
import { patience_ms, within } from "./deadline.ts";
import type { GatewayProcess } from "./gateway-process.ts";
import { MetricsText } from "./metrics-text.ts";

export interface AdminAnswer {
  status: number;
  headers: Headers;
  body: string;
  // deno-lint-ignore no-explicit-any -- A test says what it expects, and that is the check.
  json: any;
}

export interface AdminAsk {
  method?: string;
  token?: string;
  headers?: Record<string, string>;
  body?: unknown;
}

export class AdminPort {
  readonly port: number;

  constructor(port: number) {
    this.port = port;
  }

  /** That of a gateway that was started with `admin: { port: 0 }`. */
  static async of(gateway: GatewayProcess): Promise<AdminPort> {
    const { admin_port } = await gateway.logged("admin_serving");
    return new AdminPort(admin_port as number);
  }

  async ask(path: string, { method = "GET", token, headers, body }: AdminAsk = {}) {
    const all = new Headers({ connection: "close", ...headers });
    if (token !== undefined) all.set("authorization", `Bearer ${token}`);
    if (body !== undefined || method === "POST") all.set("content-type", "application/json");
    const answer = await within(
      `${method} ${path}`,
      fetch(`http://127.0.0.1:${this.port}${path}`, {
        method,
        headers: all,
        body: body === undefined ? undefined : JSON.stringify(body),
      }),
      2 * patience_ms,
    );
    const text = await answer.text();
    const is_json = answer.headers.get("content-type")?.startsWith("application/json");
    const json: unknown = is_json ? JSON.parse(text) : undefined;
    return { status: answer.status, headers: answer.headers, body: text, json } as AdminAnswer;
  }

  async metrics(token?: string): Promise<MetricsText> {
    return new MetricsText((await this.ask("/metrics", { token })).body);
  }

  /** A connection that says nothing by itself. */
  open(local_address = "127.0.0.1"): Promise<Socket> {
    return within(
      "a connection to the admin port",
      new Promise((resolve, reject) => {
        const socket = connect({
          port: this.port,
          host: "127.0.0.1",
          localAddress: local_address,
        }, () => {
          socket.off("error", reject);
          socket.on("error", () => {});
          resolve(socket);
        });
        socket.on("error", reject);
      }),
    );
  }

  /** The status that comes back for bytes as they are; 0 where the connection only ends. */
  async statusOf(bytes: string): Promise<number> {
    const text = await everything(await this.open(), bytes);
    return Number(/^HTTP\/1\.[01] (\d{3}) /.exec(text)?.[1] ?? 0);
  }
}

/** Sends the bytes, and returns what comes until the connection ends. */
export function everything(socket: Socket, bytes = ""): Promise<string> {
  return within(
    "the end of a connection to the admin port",
    new Promise((resolve) => {
      let text = "";
      socket.on("data", (part) => text += String(part));
      socket.on("close", () => resolve(text));
      socket.on("end", () => socket.end());
      if (bytes !== "") socket.write(bytes);
    }),
  );
}
