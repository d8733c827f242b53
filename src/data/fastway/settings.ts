/** The rules of the fastway workers, from the configuration. */
import { fastwayServerKey } from "../../config/fastway-section.ts";
import type { Config } from "../../config/schema.ts";
import { commonSettings } from "../worker-settings.ts";
import type { FastwayWorkerSettings, SnetSettings } from "./protocol.ts";

/** For a server to prove itself, and for a token; the original's own bound. */
const HANDSHAKE_MS = 5000;

/**
 * What proves nothing yet is shared out evenly among the workers, and so is memory; endpoints are
 * counted by all of them together.
 */
export function fastwaySettings(
  config: Config,
  { workers }: { workers: number },
): FastwayWorkerSettings {
  const section = config.fastway;
  if (section === undefined) throw new Error("fastway is not configured");
  const { trusted_proxies, proxy_header, unproven_max, unproven_per_address_max, unproven_prefix } =
    commonSettings(config, { workers });
  return {
    trusted_proxies,
    proxy_header,
    unproven_max,
    unproven_per_address_max,
    unproven_prefix,
    packet_bytes_max: section.MaxPacket,
    handshake_timeout_ms: HANDSHAKE_MS,
    server_key: fastwayServerKey(section),
    client_token: section.client_auth === "token",
    client: {
      virtual_max: section.ClientMaxConn,
      part_bytes: section.ClientBufferSize,
      idle_timeout_ms: section.ClientIdleTimeout,
      queue_messages_max: section.ClientSendChanSize,
      queue_bytes_max: section.client_queue_size_max,
      endpoints_max: section.clients_max,
      endpoints_per_address_max: section.clients_per_address_max,
      snet: snetOf(section.ClientSnetEnable, {
        encrypts: section.ClientSnetEncrypt,
        buffer_bytes: section.ClientSnetBuffer,
        init_timeout_ms: section.ClientSnetInitTimeout,
        wait_timeout_ms: section.ClientSnetWaitTimeout,
      }),
    },
    server: {
      // Whoever has proven itself may dial as much as it likes, as with the original.
      virtual_max: 0,
      part_bytes: section.ServerBufferSize,
      idle_timeout_ms: section.ServerIdleTimeout,
      queue_messages_max: section.ServerSendChanSize,
      queue_bytes_max: section.server_queue_size_max,
      endpoints_max: section.servers_max,
      endpoints_per_address_max: section.servers_per_address_max,
      snet: snetOf(section.ServerSnetEnable, {
        encrypts: section.ServerSnetEncrypt,
        buffer_bytes: section.ServerSnetBuffer,
        init_timeout_ms: section.ServerSnetInitTimeout,
        wait_timeout_ms: section.ServerSnetWaitTimeout,
      }),
    },
    pool: {
      chunk_bytes_min: section.MemPoolMinChunk,
      chunk_bytes_max: section.MemPoolMaxChunk,
      factor: section.MemPoolFactor,
      page_bytes: section.MemPoolPageSize,
      pool_bytes_max: Math.floor(section.pool_size_max / workers),
    },
  };
}

function snetOf(is_enabled: boolean, settings: SnetSettings): SnetSettings | null {
  return is_enabled ? settings : null;
}
