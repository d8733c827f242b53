/** How a program comes to its endpoint. */
import { Endpoint } from "./endpoint.ts";
import { clientGreeting, type Greeting, serverGreeting } from "./greeting.ts";
import {
  type ClientOptions,
  type EndpointOptions,
  endpointSettings,
  type ServerOptions,
  snetSettings,
} from "./options.ts";
import { PlainSocket } from "./plain-socket.ts";
import { SnetSocket } from "./snet-socket.ts";

/**
 * Connects a client, and resolves when the gateway has answered. Rejects with a `FastwayError`:
 * `bad_option`, `connect_failed`, `connect_timeout`, `connect_refused`, `protocol_error` or `aborted`.
 */
export async function connectClient(options: ClientOptions): Promise<Endpoint> {
  return await connect(options, clientGreeting(options));
}

/** Connects a server under its id, which clients then dial. See {@link connectClient}. */
export async function connectServer(options: ServerOptions): Promise<Endpoint> {
  return await connect(options, serverGreeting(options));
}

async function connect(options: EndpointOptions, greeting: Greeting): Promise<Endpoint> {
  const settings = endpointSettings(options);
  const snet = snetSettings(options);
  const { host, port, tls } = options;
  const target = { host, port, tls };
  const transport = snet ? new SnetSocket({ target, settings: snet }) : new PlainSocket(target);
  const endpoint = new Endpoint({ transport, greeting, settings });
  await endpoint.open();
  return endpoint;
}
