/** The sockets on which the control port is listened to: the port itself, and one for TLS only. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { Log } from "../observe/log.ts";

/** Waiting connections in the kernel; a burst of peers after a restart fits in. */
const BACKLOG = 1024;
/** Silence after which the kernel asks whether the peer is still there. */
const KEEPALIVE_MS = 30_000;

/** A port cannot be listened on; `key` is the one in the configuration that names it. */
export class ListenError extends Error {
  override name = "ListenError";
  readonly code = "LISTEN";
  readonly key: "gateway.tcp_port" | "tls.port" | "rlx1.control_port";
  readonly port: number;
  constructor(key: ListenError["key"], port: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.key = key;
    this.port = port;
  }
}

/** Takes a connection with the address it comes from. */
type OnAccept = (socket: Socket, address: string) => void;

export class Listeners {
  readonly #log: Log;
  readonly #servers: Server[] = [];
  #accepting = true;

  constructor(options: { log: Log }) {
    this.#log = options.log;
  }

  /** False once they are closed, while the last connections may still be on their way here. */
  get accepting(): boolean {
    return this.#accepting;
  }

  /** Resolves with the port, or rejects with a {@link ListenError}. */
  open(
    key: ListenError["key"],
    { host, port }: { host: string; port: number },
    onAccept: OnAccept,
  ): Promise<number> {
    // Half-open is allowed so that an HTTP peer may end its side and still get its answer.
    const server = createServer({ allowHalfOpen: true }, (s) => this.#accept(s, onAccept));
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      const onError = (error: Error) => reject(new ListenError(key, port, error));
      server.once("error", onError);
      server.listen({ host, port, backlog: BACKLOG }, () => {
        server.off("error", onError);
        server.on("error", (error) => {
          // For instance no descriptors left; the listener goes on.
          this.#log.error({ status: "control_error", error: String(error) }, "accepting failed");
        });
        resolve((server.address() as AddressInfo).port);
      });
    });
  }

  close(): void {
    this.#accepting = false;
    for (const server of this.#servers) server.close();
  }

  #accept(socket: Socket, onAccept: OnAccept): void {
    // What broke a connection is followed by its close, which is where it is dealt with.
    socket.on("error", () => {});
    // A peer that is gone before it is accepted has no address any more; others may still stand in
    // the kernel's queue when the listener is closed.
    const address = socket.remoteAddress;
    if (address === undefined || !this.#accepting) {
      socket.destroy();
      return;
    }
    socket.setNoDelay(true);
    socket.setKeepAlive(true, KEEPALIVE_MS);
    onAccept(socket, address);
  }
}
