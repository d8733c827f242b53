/**
 * A client library for fastway gateways: many conversations between game clients and game servers over
 * one connection each. For Bun, Deno and Node from version 20 on. See README.md.
 */
export { connectClient, connectServer } from "./connect.ts";
export type { DialOptions } from "./dials.ts";
export type { Endpoint, EndpointSnapshot } from "./endpoint.ts";
export { FastwayError, type FastwayErrorCode } from "./errors.ts";
export type { ClientOptions, EndpointOptions, ServerOptions, SnetOptions } from "./options.ts";
export type {
  ConnectionEnd,
  ReceiveOptions,
  SendOptions,
  VirtualConnection,
} from "./virtual-connection.ts";
