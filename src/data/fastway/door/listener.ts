/** The socket that the door listens on. */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import type { ListenAddress } from "../../../config/fastway-section.ts";

/** Waiting connections in the kernel; a burst of clients after a restart fits in. */
const BACKLOG = 1024;

export interface ListenerEvents {
  onListening: (port: number) => void;
  onFailed: (code: string, message: string) => void;
  /** Accepting has failed; the listener goes on. */
  onTrouble: (error: string) => void;
  onAccept: (socket: Socket, address: string) => void;
}

export function listenForTls({ host, port }: ListenAddress, events: ListenerEvents): Server {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    // What broke a connection is followed by its close, which is where it is dealt with.
    socket.on("error", () => {});
    // A peer that is gone before it is accepted has no address any more.
    if (socket.remoteAddress === undefined) socket.destroy();
    else events.onAccept(socket, socket.remoteAddress);
  });
  const onFailed = (error: NodeJS.ErrnoException) =>
    events.onFailed(error.code ?? "UNKNOWN", error.message);
  server.once("error", onFailed);
  server.listen({ ...(host === "" ? {} : { host }), port, backlog: BACKLOG }, () => {
    server.off("error", onFailed);
    server.on("error", (error) => events.onTrouble(String(error)));
    events.onListening((server.address() as AddressInfo).port);
  });
  return server;
}
