/** An endpoint as the admin side shows it. */
import type { FastwaySide, FastwayTransport } from "../../data/fastway/protocol.ts";
import type { Endpoint } from "./endpoint.ts";

export interface EndpointRow {
  endpoint: number;
  side: FastwaySide;
  id: number;
  remote: string;
  principal: string;
  transport: FastwayTransport;
  since_unix_ms: number;
  is_away: boolean;
  bytes_in: number;
  bytes_out: number;
  messages_in: number;
  messages_out: number;
  bps_in: number;
  bps_out: number;
  /** Messages each second. */
  mps_in: number;
  mps_out: number;
  virtual: number;
  queue_messages: number;
  queue_bytes: number;
}

export function endpointRow(one: Endpoint): EndpointRow {
  const { facts, counters, rates, standing, since_unix_ms, is_away } = one;
  const { endpoint, side, id, remote, transport } = facts;
  return {
    endpoint,
    side,
    id,
    remote,
    principal: standing?.principal.name ?? "",
    transport,
    since_unix_ms,
    is_away,
    ...counters,
    bps_in: Math.round(rates.bytes_in * 8),
    bps_out: Math.round(rates.bytes_out * 8),
    mps_in: Math.round(rates.messages_in),
    mps_out: Math.round(rates.messages_out),
  };
}
