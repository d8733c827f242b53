/**
 * What a newly read configuration changes in a running gateway, and what of that has to wait for a
 * restart. Everything is live except for what listeners, workers and files are made with.
 */
import { isDeepStrictEqual } from "node:util";
import type { Config } from "./schema.ts";

/** These are what something that cannot be made anew without cutting sessions was made with. */
const RESTART_KEYS: ReadonlySet<string> = new Set([
  "gateway.bind_address",
  "gateway.tcp_port",
  "gateway.tcp_workers",
  "gosrt.mode",
  // A UDP port has one of each, and the connections of a shared one stay on it.
  "gosrt.ipttl",
  "gosrt.iptos",
  "gosrt.udp_buffer",
  "gosrt.shared_port",
  "tls.port",
  "admin.bind_address",
  "admin.port",
  "logging.format",
  "logging.output",
  "logging.file_path",
  "logging.max_size",
  "logging.max_age",
  "logging.compress",
  "state.directory",
  "rlx1.control_port",
  "rlx1.ring_buffer_size",
  "rlx1.secret",
  "rlx1.public_key",
  "fastway.ReusePort",
  "fastway.MemPoolType",
  "fastway.MemPoolFactor",
  "fastway.MemPoolMaxChunk",
  "fastway.MemPoolMinChunk",
  "fastway.MemPoolPageSize",
  "fastway.ClientAddr",
  "fastway.ClientSnetEnable",
  "fastway.ClientSnetEncrypt",
  "fastway.ClientSnetBuffer",
  "fastway.ServerAddr",
  "fastway.ServerSnetEnable",
  "fastway.ServerSnetEncrypt",
  "fastway.ServerSnetBuffer",
  "fastway.client_tls_addr",
  "fastway.server_tls_addr",
  "fastway.clients_max",
  "fastway.servers_max",
  "fastway.process_folder",
]);

export interface Changes {
  /** The new configuration, with what has to wait as it was. */
  config: Config;
  /** `section.key`, and `streams.name` for a stream. */
  applied: string[];
  needs_restart: string[];
}

type Section = Record<string, unknown>;

export function changesBetween(running: Config, wanted: Config): Changes {
  const config = structuredClone(wanted);
  const applied: string[] = [];
  const needs_restart: string[] = [];
  for (const plane of ["rlx1", "fastway"] as const) {
    if ((running[plane] === undefined) === (wanted[plane] === undefined)) continue;
    needs_restart.push(plane);
    Object.assign(config, { [plane]: running[plane] });
  }
  for (const section of Object.keys(wanted) as (keyof Config)[]) {
    if (running[section] === undefined || config[section] === undefined) continue;
    const before = running[section] as Section;
    const after = config[section] as Section;
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      if (isDeepStrictEqual(before[key], after[key])) continue;
      const name = `${section}.${key}`;
      if (RESTART_KEYS.has(name)) {
        needs_restart.push(name);
        after[key] = before[key];
      } else {
        applied.push(name);
      }
    }
  }
  return { config, applied, needs_restart };
}
