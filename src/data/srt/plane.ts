/** SRT: libsrt in one worker, because a process must have a single libsrt poller. */
import { ConfigError } from "../../config/problem.ts";
import type { Config } from "../../config/schema.ts";
import { type LibsrtLocation, openLibsrt } from "../../../ffi/libsrt/mod.ts";
import type { PlaneListener } from "../plane.ts";
import type { RateBook } from "../rate-book.ts";
import { WorkerPlane } from "../worker-plane.ts";
import type { SrtWorkerSettings, StreamSettings } from "../worker-protocol.ts";
import { commonSettings } from "../worker-settings.ts";
import { libsrtOverride } from "./version.ts";

export class SrtPlane extends WorkerPlane {
  readonly #shared_ports: readonly number[];
  readonly #sessions_shared: boolean;
  /** The library can give single streams and sessions on a shared port a passphrase of their own. */
  #has_hook = true;
  #location: LibsrtLocation | null = null;

  constructor(
    { config, listener, rates }: { config: Config; listener: PlaneListener; rates?: RateBook },
  ) {
    const shared_ports = sharedPorts(config);
    const sessions_shared = config.gosrt.mode === "shared";
    const settings = (config: Config): SrtWorkerSettings => {
      const { gosrt, limits } = config;
      return {
        ...commonSettings(config, { workers: 1 }),
        unproven_max: limits.srt_unproven_max,
        unproven_per_address_max: limits.srt_unproven_per_address_max,
        unproven_prefix: "srt_",
        // There is no such header on UDP, so nobody is waited for to send one.
        trusted_proxies: [],
        latency_ms: gosrt.latency,
        maxbw_bps: gosrt.maxbw,
        inputbw_bps: gosrt.inputbw,
        oheadbw_percent: gosrt.oheadbw,
        ipttl: gosrt.ipttl,
        iptos: gosrt.iptos,
        peer_idle_ms: gosrt.peer_idle_timeout,
        udp_buffer_bytes: gosrt.udp_buffer,
        passphrase: gosrt.passphrase,
        pbkeylen: gosrt.pbkeylen,
        shared_ports,
        sessions_shared,
        streams: streamSettings(config),
        // Found here, so that a worker that is replaced opens the very same library again.
        libsrt: this.#location ??= this.#openLibsrt(config),
      };
    };
    const ports = srtPortRange;
    super({ kind: "srt", worker: "srt", workers: 1, config, ports, settings, listener, rates });
    this.#shared_ports = shared_ports;
    this.#sessions_shared = sessions_shared;
  }

  override get encrypts_single_sessions(): boolean {
    return !this.#sessions_shared || this.#has_hook;
  }

  override check(config: Config): void {
    super.check(config);
    const needy = streamNeedingHook(config.streams);
    if (needy === null || this.#has_hook || !this.#location) return;
    throw new ConfigError([{
      file: null,
      line: null,
      column: null,
      key: `streams.${needy}.passphrase`,
      code: "passphrase_unsupported",
      found: `a passphrase on the shared port, with ${this.#location.path}, which knows one ` +
        "passphrase for a whole port",
      allowed: `a streams.${needy}.port, or the libsrt that relayx carries`,
    }]);
  }

  #openLibsrt({ streams }: Config): LibsrtLocation {
    const { listenHook, location } = openLibsrt({ override: libsrtOverride() });
    this.#has_hook = listenHook !== null;
    const needy = streamNeedingHook(streams);
    if (needy !== null && !this.#has_hook) throw new Error(noHook(needy, location));
    return location;
  }

  override publicPort(port: number): number {
    // Sessions are spread over the shared ports, each of which has libsrt's threads of its own.
    return this.#sessions_shared ? this.#shared_ports[port % this.#shared_ports.length] : port;
  }
}

/** The numbers that sessions are given: ports, or places on the shared ones. */
export function srtPortRange({ gosrt }: Config): { first: number; last: number } {
  return gosrt.mode === "shared" ? { first: 1, last: gosrt.shared_sessions_max } : gosrt.port_range;
}

/** What to do about a stream's passphrase on a shared port where the library knows only one for all. */
function noHook(stream: string, { path, origin }: LibsrtLocation): string {
  const way_out = origin === "override"
    ? "unset RELAYX_LIBSRT, so that the libsrt inside relayx is used"
    : 'run "npm run build", which makes the libsrt that can';
  return `streams.${stream}.passphrase: found a passphrase on the shared port, with ${path}, which ` +
    `knows one passphrase for a whole port; give the stream a streams.${stream}.port, or ${way_out}`;
}

/** The first stream on a shared port that has a passphrase of its own. */
function streamNeedingHook(streams: Config["streams"]): string | null {
  const needy = Object.entries(streams)
    .find(([, { port, passphrase }]) => port === 0 && passphrase !== "");
  return needy?.[0] ?? null;
}

function sharedPorts({ gosrt: { shared_port } }: Config): number[] {
  if (shared_port === "off") return [];
  const { first, last } = shared_port;
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

function streamSettings({ streams }: Config): StreamSettings[] {
  return Object.entries(streams).map(([name, { bitrate_max, ...stream }]) => ({
    name,
    ...stream,
    bitrate_max_bps: bitrate_max,
  }));
}
