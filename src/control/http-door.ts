/**
 * HTTP on the control port. A connection whose first byte is a capital letter is handed to a real
 * HTTP server that never listens itself: a few pages of JSON and nothing else.
 *
 * The server's own timeouts only run on sockets it accepted, so a connection's time is kept here: it
 * is closed when no request has been completed for a while, however busy it looks.
 */
import { Buffer } from "node:buffer";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { DeadlineLine } from "../data/deadline-line.ts";
import type { Visitor } from "./visitor.ts";

const HEAD_BYTES_MAX = 8192;

/** A page of JSON. */
export interface Page {
  read: () => unknown;
  /** Shown to the machine itself only: it says who is connected from where. */
  local_only?: boolean;
}

/** By path. */
export type Pages = Readonly<Record<string, Page>>;

export class HttpDoor {
  readonly #pages: Pages;
  readonly #idle: DeadlineLine<Socket>;
  readonly #server: Server;
  /** Whose the connections are that are open. */
  readonly #visitors = new Map<Socket, Visitor>();

  /** `idle_ms_max`: from the connection, or its last request, to the next complete request head. */
  constructor(options: { pages: Pages; idle_ms_max: number }) {
    const { idle_ms_max } = options;
    this.#pages = options.pages;
    this.#idle = new DeadlineLine({
      period_ms: idle_ms_max,
      onDue: (socket) => socket.destroy(),
    });
    this.#server = createServer(
      { maxHeaderSize: HEAD_BYTES_MAX, keepAliveTimeout: idle_ms_max },
      (request, response) => this.#onRequest(request, response),
    );
    // Deno closes a kept-alive connection after its response unless the server says it listens.
    Object.defineProperty(this.#server, "listening", { value: true });
  }

  /** Takes over a visitor whose first bytes have been put back. */
  take(visitor: Visitor): void {
    const { socket } = visitor;
    this.#idle.add(socket);
    this.#visitors.set(socket, visitor);
    socket.once("close", () => {
      this.#idle.delete(socket);
      this.#visitors.delete(socket);
    });
    this.#server.emit("connection", socket);
  }

  apply({ idle_ms_max }: { idle_ms_max: number }): void {
    this.#idle.setPeriod(idle_ms_max);
  }

  close(): void {
    this.#idle.close();
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    if (this.#idle.has(request.socket)) this.#idle.add(request.socket);
    const visitor = this.#visitors.get(request.socket);
    const refusal = visitor?.refusal ?? null;
    if (refusal !== null) {
      response.writeHead(403, { "content-type": "text/plain", connection: "close" })
        .end(request.method === "HEAD" ? undefined : `${refusal.error}\n`);
      return;
    }
    const path = (request.url ?? "").split("?", 1)[0];
    const page = Object.hasOwn(this.#pages, path) ? this.#pages[path] : undefined;
    if (page === undefined) {
      response.writeHead(404, { "content-length": 0 }).end();
    } else if (page.local_only && visitor?.is_local !== true) {
      response.writeHead(403, { "content-length": 0 }).end();
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD", "content-length": 0 }).end();
    } else {
      const body = JSON.stringify(page.read());
      response.writeHead(200, {
        "content-type": "application/json",
        "content-length": Buffer.byteLength(body),
        "cache-control": "no-store",
      });
      response.end(request.method === "HEAD" ? undefined : body);
    }
  }
}
