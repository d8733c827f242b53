/** The socket to the gateway, with or without TLS. */
import { connect, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { FastwayError } from "./errors.ts";
import type { EndpointOptions } from "./options.ts";

export type Target = Pick<EndpointOptions, "host" | "port" | "tls">;

/** `opened` is called once, when bytes can go both ways. */
export function openSocket({ host, port, tls = false }: Target, opened: () => void): Socket {
  if (tls === false) {
    const socket = connect({ host, port, noDelay: true });
    return socket.once("connect", () => {
      socket.setNoDelay(true);
      opened();
    });
  }
  const options = tls === true ? {} : tls;
  // No name is sent for an address: the standard has none for them.
  const servername = isIP(host) ? undefined : host;
  const socket = connectTls({ servername, ...options, host, port });
  return socket.once("secureConnect", () => {
    socket.setNoDelay(true);
    opened();
  });
}

export function connectFailed({ host, port }: Target, cause: Error): FastwayError {
  const reason = (cause as NodeJS.ErrnoException).code ?? cause.message;
  return new FastwayError(
    "connect_failed",
    `No connection to the gateway at ${host}:${port}: ${reason}`,
    { cause },
  );
}
