/**
 * The admin port's HTTP server:
 *
 *   accepted → head → gate (was it meant for us?) → token → body → application → answer
 *
 * The sockets are accepted by the listener, which bounds them in number and time, and handed to a
 * parser of the runtime that never listens itself, because the timeouts of such servers differ from
 * runtime to runtime.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Config } from "../config/schema.ts";
import type { Log } from "../observe/log.ts";
import { RepeatedLines } from "../observe/repeated-lines.ts";
import { Credentials, type Right } from "./credentials.ts";
import { answer, rawAnswer, readBody, refusalResponse, webRequest } from "./exchange.ts";
import { passGate, valuesOf } from "./gate.ts";
import { type AdminConnection, Listener } from "./listener.ts";
import { type Refusal, refusal } from "./refusal.ts";

const HEAD_BYTES_MAX = 8192;
/** What may wait for a peer that asks again and again and reads nothing. */
const QUEUED_BYTES_MAX = 1024 * 1024;
/** How long answers may take at the end; whoever waits for events is let go before. */
const CLOSE_GRACE_MS = 500;

/** Who asks, for the application. */
export interface Asker {
  /** `address:port token`: it goes into the log with every order. */
  by: string;
  right: Right;
}

/** What is behind the door: an application that answers requests. */
export interface Application {
  fetch(request: Request, asker: Asker): Response | Promise<Response>;
  /** Whether anybody may read the path without a token. */
  isOpen(path: string): boolean;
}

export interface AdminServerOptions {
  config: Pick<Config, "admin" | "gateway" | "zeromq">;
  log: Log;
  application: Application;
  retry_ms?: number;
  isBanned: (address: string) => boolean;
  /** Somebody came with a wrong token. */
  onUnauthorized: (address: string) => void;
}

export class AdminServer {
  readonly #log: Log;
  readonly #application: Application;
  readonly #onUnauthorized: (address: string) => void;
  readonly #http: Server;
  readonly #listener: Listener;
  readonly #credentials: Credentials;
  readonly #repeated: RepeatedLines;
  readonly #connections = new WeakMap<Socket, AdminConnection>();
  /** Sockets with a request that is not answered yet. */
  readonly #busy = new WeakSet<Socket>();
  #allowed_hosts: readonly string[];

  constructor(options: AdminServerOptions) {
    const { config: { admin }, log } = options;
    this.#log = log;
    this.#application = options.application;
    this.#onUnauthorized = options.onUnauthorized;
    this.#allowed_hosts = admin.allowed_hosts;
    this.#credentials = new Credentials({ tokens: admin });
    this.#repeated = new RepeatedLines({ log });
    this.#listener = new Listener({
      bind_address: admin.bind_address,
      port: admin.port === "off" ? 0 : admin.port,
      bounds: admin,
      log,
      forbidden: portConflict(options.config),
      retry_ms: options.retry_ms,
      isBanned: options.isBanned,
      onConnection: (connection) => this.#take(connection),
    });
    this.#http = this.#parser();
  }

  get port(): number | null {
    return this.#listener.address?.port ?? null;
  }

  snapshot(): { port: number | null; connections: number } {
    return { port: this.port, connections: this.#listener.size };
  }

  start(): Promise<void> {
    return this.#listener.start();
  }

  apply({ admin }: Pick<Config, "admin">): void {
    this.#allowed_hosts = admin.allowed_hosts;
    this.#credentials.apply(admin);
    this.#listener.apply(admin);
  }

  async close(): Promise<void> {
    await this.#listener.close(CLOSE_GRACE_MS);
    this.#repeated.close();
  }

  #parser(): Server {
    const server = createServer(
      { maxHeaderSize: HEAD_BYTES_MAX, keepAliveTimeout: 60_000 },
      (request, response) => void this.#serve(request, response),
    );
    server.on("clientError", (error, socket) => this.#onBroken(error, socket as Socket));
    // Neither is served here: a tunnel and another protocol on the same connection.
    server.on("connect", (_, socket) => this.#end(socket as Socket, NO_TUNNEL));
    server.on("upgrade", (_, socket) => this.#end(socket as Socket, NO_UPGRADE));
    // Deno closes a kept-alive connection after its response unless the server says it listens.
    Object.defineProperty(server, "listening", { value: true });
    return server;
  }

  #take(connection: AdminConnection): void {
    this.#connections.set(connection.socket, connection);
    this.#http.emit("connection", connection.socket);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const connection = this.#connections.get(socket);
    if (connection === undefined || socket.destroyed) return void socket.destroy();
    // Asking on before the answer is there, or without reading it, would make answers pile up.
    if (this.#busy.has(socket) || socket.writableLength > QUEUED_BYTES_MAX) {
      this.#refuse(PIPELINED, connection, pathOf(request));
      return void socket.destroy();
    }
    this.#busy.add(socket);
    const gone = new AbortController();
    response.on("close", () => {
      gone.abort();
      this.#busy.delete(socket);
    });
    response.on("finish", () => this.#listener.onAnswered(socket));
    const head_only = request.method === "HEAD";
    try {
      const [answered, last] = await this.#answerTo(request, connection, gone.signal);
      this.#listener.onAnswer(socket);
      this.#busy.delete(socket);
      await answer(response, answered, { head_only, last });
    } catch (error) {
      // The peer that has left is nobody's mistake; anything else is ours and ends this one request.
      if (!gone.signal.aborted && !request.destroyed) {
        this.#log.error(
          { status: "admin_error", error, path: pathOf(request) },
          "an admin request failed",
        );
      }
      socket.destroy();
    }
  }

  /** The answer, and whether the connection ends with it because it cannot be read any further. */
  async #answerTo(
    request: IncomingMessage,
    connection: AdminConnection,
    signal: AbortSignal,
  ): Promise<[Response, boolean]> {
    const { socket, method = "" } = request;
    this.#listener.onHead(socket);
    const reads = method === "GET" || method === "HEAD";
    const head = {
      method,
      target: request.url ?? "",
      raw_headers: request.rawHeaders,
      local_address: socket.localAddress ?? "",
    };
    const passed = passGate(head, { allowed_hosts: this.#allowed_hosts });
    if ("status" in passed) return [this.#refuse(passed, connection, head.target), !reads];
    const right = this.#rightOf(request, connection, passed.path, reads);
    if (typeof right !== "string") return [this.#refuse(right, connection, head.target), !reads];
    const body = await readBody(request);
    if ("status" in body) return [this.#refuse(body, connection, head.target), true];
    this.#listener.onRequest(socket);
    const asked = webRequest({
      method: method === "HEAD" ? "GET" : method,
      host: passed.host,
      target: passed.path + passed.search,
      headers: request.headers,
      body,
      signal,
    });
    const by = `${connection.remote} ${right}`;
    return [await this.#application.fetch(asked, { by, right }), false];
  }

  #rightOf(
    request: IncomingMessage,
    { address }: AdminConnection,
    path: string,
    reads: boolean,
  ): Right | Refusal {
    if (reads && this.#application.isOpen(path)) return "open";
    const authorization = valuesOf({ raw_headers: request.rawHeaders }, "authorization");
    const checked = this.#credentials.check({ address, authorization, reads }, performance.now());
    if ("right" in checked) return checked.right;
    if (checked.failed) this.#onUnauthorized(address);
    return checked.refusal;
  }

  /** Bytes that are no request cannot be followed by one. */
  #onBroken({ code }: Error & { code?: string }, socket: Socket): void {
    if (!socket.writable || code === "ECONNRESET") return void socket.destroy();
    this.#end(socket, code === "HPE_HEADER_OVERFLOW" ? HEAD_TOO_LARGE : NO_REQUEST);
  }

  /** Refuses what the parser has no answer for, and ends the connection with it. */
  #end(socket: Socket, refused: Refusal): void {
    const connection = this.#connections.get(socket);
    if (connection !== undefined) this.#refuse(refused, connection, "");
    this.#listener.onAnswer(socket);
    socket.end(rawAnswer(refused), () => socket.destroy());
  }

  #refuse(refused: Refusal, { address, remote }: AdminConnection, target: string): Response {
    const { code, found } = refused;
    this.#repeated.warn(
      `${code} ${address}`,
      { status: "admin_refused", code, found, remote, path: target.split("?", 1)[0].slice(0, 256) },
      "a request to the admin port is refused",
    );
    return refusalResponse(refused);
  }
}

const PIPELINED = refusal(
  400,
  "pipelined",
  "a request before the previous one was answered",
  "one request at a time on a connection",
);

const NO_REQUEST = refusal(400, "bad_request", "bytes that are no HTTP request", "HTTP/1.1");
const NO_TUNNEL = refusal(405, "method_not_allowed", "CONNECT", "GET, HEAD, POST and DELETE");
const NO_UPGRADE = refusal(400, "bad_request", "an upgrade to another protocol", "HTTP/1.1");
const HEAD_TOO_LARGE = refusal(
  431,
  "head_too_large",
  "a longer head",
  `a head of at most ${HEAD_BYTES_MAX} bytes`,
);

/** The query may name whom somebody asked about and is left out of the log. */
function pathOf({ url = "" }: IncomingMessage): string {
  return url.split("?", 1)[0].slice(0, 256);
}

/** A port that sessions may be granted is theirs, even while none of them has it. */
function portConflict({ admin, gateway, zeromq }: AdminServerOptions["config"]): string | null {
  const { first, last } = zeromq.port_range;
  if (admin.port === gateway.tcp_port && admin.port !== 0) return "it is gateway.tcp_port as well";
  return typeof admin.port === "number" && admin.port >= first && admin.port <= last
    ? "it is one of zeromq.port_range, which sessions are granted"
    : null;
}
