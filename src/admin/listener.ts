/**
 * Accepting connections of the admin port: how many there may be, in all and per address, and how long
 * one may be without a complete request. Its address may be somebody else's; the gateway serves all
 * the same, and the address is tried again every 5 s.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import type { Config } from "../config/schema.ts";
import type { Log } from "../observe/log.ts";
import { RepeatedLines } from "../observe/repeated-lines.ts";
import { rawAnswer } from "./exchange.ts";
import { plainAddress } from "./gate.ts";
import { Patience } from "./patience.ts";
import { refusal } from "./refusal.ts";

/** How often an address that cannot be had is tried again. */
const RETRY_MS = 5000;

type Bounds = Pick<
  Config["admin"],
  "connections_max" | "connections_per_address_max" | "request_timeout_ms"
>;

/** One connection, as long as it is open. */
export interface AdminConnection {
  readonly socket: Socket;
  /** The peer's, without its port; it counts and is judged by this. */
  readonly address: string;
  /** `address:port`, for the log. */
  readonly remote: string;
}

export interface ListenerOptions {
  bind_address: string;
  /** 0 is any free one. */
  port: number;
  bounds: Bounds;
  log: Log;
  /** Why the port must not be taken although it may be free; null where it may. */
  forbidden: string | null;
  /** Another time than {@link RETRY_MS}. */
  retry_ms?: number;
  isBanned: (address: string) => boolean;
  onConnection: (connection: AdminConnection) => void;
}

export class Listener {
  readonly #options: ListenerOptions;
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  readonly #per_address = new Map<string, number>();
  readonly #connections = new Set<Socket>();
  readonly #patience: Patience;
  #bounds: Bounds;
  #server: Server | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #complained = "";
  #closed = false;

  constructor(options: ListenerOptions) {
    this.#options = options;
    this.#log = options.log;
    this.#bounds = options.bounds;
    this.#repeated = new RepeatedLines({ log: options.log });
    this.#patience = new Patience({
      request_timeout_ms: options.bounds.request_timeout_ms,
      onSlow: (socket) => this.#onSlow(socket),
    });
  }

  /** Where it listens; null while it does not. */
  get address(): AddressInfo | null {
    return this.#server?.address() as AddressInfo | null ?? null;
  }

  /** Open connections. */
  get size(): number {
    return this.#connections.size;
  }

  /** Resolves after the first attempt, whatever has come of it. */
  async start(): Promise<void> {
    const { forbidden } = this.#options;
    if (forbidden !== null) return this.#complain(forbidden);
    try {
      await this.#listen();
    } catch (error) {
      this.#complain(error instanceof Error ? error.message : String(error));
      if (this.#closed) return;
      this.#retry = setTimeout(() => void this.start(), this.#options.retry_ms ?? RETRY_MS)
        .unref();
    }
  }

  apply(bounds: Bounds): void {
    this.#bounds = bounds;
    this.#patience.apply(bounds);
  }

  /** The head of a request is there; its body has as long again. */
  onHead(socket: Socket): void {
    this.#patience.forRequest(socket);
  }

  /** The request is complete, and is being answered for as long as that takes. */
  onRequest(socket: Socket): void {
    this.#patience.end(socket);
  }

  /** The answer is on its way. */
  onAnswer(socket: Socket): void {
    if (this.#connections.has(socket)) this.#patience.forTaking(socket);
  }

  /** The peer has the answer. */
  onAnswered(socket: Socket): void {
    if (this.#connections.has(socket)) this.#patience.forNext(socket);
  }

  /** No new connections, and after a moment for those that are being answered none at all. */
  async close(grace_ms: number): Promise<void> {
    this.#closed = true;
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#server?.close();
    for (const socket of this.#connections) if (this.#patience.isIdle(socket)) socket.destroy();
    await this.#whenEmpty(grace_ms);
    for (const socket of this.#connections) socket.destroy();
    this.#patience.close();
    this.#repeated.close();
  }

  #listen(): Promise<void> {
    const { bind_address: host, port } = this.#options;
    const server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    return new Promise((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, () => {
        server.off("error", reject);
        server.on("error", (error) => {
          // For instance no descriptors left; the listener goes on.
          this.#log.error({ status: "admin_error", error: String(error) }, "accepting failed");
        });
        if (this.#closed) return void server.close(() => resolve());
        this.#server = server;
        this.#complained = "";
        const { address, port } = server.address() as AddressInfo;
        this.#log.info(
          { status: "admin_serving", bind_address: address, admin_port: port },
          "the admin port serves",
        );
        resolve();
      });
    });
  }

  /** Said once for each reason, however often it is tried. */
  #complain(reason: string): void {
    if (this.#complained === reason) return;
    this.#complained = reason;
    const { bind_address, port } = this.#options;
    this.#log.warn(
      { status: "admin_unavailable", bind_address, admin_port: port, error: reason },
      "the admin port cannot be opened; the gateway serves without it. Set admin.port or " +
        'admin.bind_address, or admin.port "off"',
    );
  }

  #accept(socket: Socket): void {
    socket.on("error", () => {});
    const address = plainAddress(socket.remoteAddress ?? "");
    const limit = this.#closed || address === "" ? "" : this.#limitFor(address);
    if (limit !== null) {
      socket.destroy();
      if (limit !== "") {
        this.#repeated.warn(
          `${limit} ${address}`,
          { status: "limit_reached", limit, remote: address },
          "a connection to the admin port is closed: there are too many",
        );
      }
      return;
    }
    if (this.#options.isBanned(address)) {
      socket.destroy();
      this.#repeated.warn(
        `banned ${address}`,
        { status: "banned", remote: address, door: "admin" },
        "a banned address came to the admin port",
      );
      return;
    }
    this.#connections.add(socket);
    this.#per_address.set(address, (this.#per_address.get(address) ?? 0) + 1);
    socket.once("close", () => this.#forget(socket, address));
    this.#patience.forRequest(socket);
    const shown = address.includes(":") ? `[${address}]` : address;
    this.#options.onConnection({ socket, address, remote: `${shown}:${socket.remotePort ?? 0}` });
  }

  /**
   * Somebody who has begun a request and does not finish it is told so. A connection that says nothing
   * is only closed: browsers open some in advance.
   */
  #onSlow(socket: Socket): void {
    if (socket.bytesRead === 0 || !socket.writable) return void socket.destroy();
    const allowed = `all of it within ${this.#bounds.request_timeout_ms} ms`;
    const refused = refusal(408, "request_timeout", "a request that is not complete", allowed);
    const remote = plainAddress(socket.remoteAddress ?? "");
    this.#repeated.warn(
      `slow ${remote}`,
      { status: "admin_refused", code: refused.code, found: refused.found, remote },
      "a request to the admin port is refused",
    );
    this.#patience.forTaking(socket);
    socket.end(rawAnswer(refused), () => socket.destroy());
  }

  #limitFor(address: string): string | null {
    if (this.#connections.size >= this.#bounds.connections_max) return "admin.connections_max";
    const there = this.#per_address.get(address) ?? 0;
    return there >= this.#bounds.connections_per_address_max
      ? "admin.connections_per_address_max"
      : null;
  }

  #forget(socket: Socket, address: string): void {
    this.#connections.delete(socket);
    this.#patience.end(socket);
    const there = this.#per_address.get(address) ?? 0;
    if (there > 1) this.#per_address.set(address, there - 1);
    else this.#per_address.delete(address);
  }

  #whenEmpty(ms: number): Promise<void> {
    if (this.#connections.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      for (const socket of this.#connections) {
        socket.once("close", () => {
          if (this.#connections.size > 0) return;
          clearTimeout(timer);
          resolve();
        });
      }
    });
  }
}
