/** The rules that every plane takes from the configuration. */
import type { Config } from "../config/schema.ts";
import type { WorkerSettings } from "./worker-protocol.ts";

/** Bounds on all connections are shared out evenly, because workers do not count together. */
export function commonSettings(config: Config, { workers }: { workers: number }): WorkerSettings {
  const { gateway, limits, proxy_protocol } = config;
  return {
    bind_address: gateway.bind_address,
    hello_timeout_ms: limits.hello_timeout_ms,
    hello_bytes_max: limits.hello_bytes_max,
    unproven_max: Math.max(1, Math.floor(limits.unproven_max / workers)),
    unproven_per_address_max: Math.max(1, Math.floor(limits.unproven_per_address_max / workers)),
    unproven_prefix: "",
    session_idle_timeout_ms: gateway.session_idle_timeout,
    trusted_proxies: proxy_protocol.trusted,
    proxy_header: proxy_protocol.mode,
  };
}
