/** `relayx check`: what a configuration would serve, or everything that is wrong with it. */
import { readAccessFiles } from "../access/access-files.ts";
import { ConfigError, formatProblem } from "../config/problem.ts";
import type { LoadedConfig } from "../config/load.ts";
import { loadWithFiles } from "../config/load-with-files.ts";
import { formatPortRange, portCount } from "../config/port-range.ts";
import { CommandExit, EXIT } from "./exit-code.ts";
import { formatListenAddress, type ListenAddress } from "../config/fastway-section.ts";
import { rlx1Ranges } from "../config/rlx1-section.ts";
import type { Surroundings } from "./program.ts";

export function check(options: { path: string | undefined; around: Surroundings }): void {
  const { path, around } = options;
  try {
    const loaded = loadWithFiles({ path, env: around.env });
    readAccessFiles(loaded.config);
    for (const warning of loaded.warnings) {
      around.stderr(`warning: ${formatProblem(warning)}\n`);
    }
    around.stdout(`${summary(loaded)}\n`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    around.stderr(`${error.message}\n`);
    throw new CommandExit(EXIT.usage);
  }
}

/** One line about what would be served. */
export function summary({ config, source }: LoadedConfig): string {
  const { gateway, zeromq, tls, logging } = config;
  const host = gateway.bind_address.includes(":")
    ? `[${gateway.bind_address}]`
    : gateway.bind_address;
  const control = gateway.tcp_port === 0 ? "any free port" : String(gateway.tcp_port);
  const tls_summary = tls.cert_file === ""
    ? ""
    : ` with TLS ${tls.min_version}${tls.port === 0 ? "" : `, TLS alone on port ${tls.port}`}`;
  const sink = logging.output === "console" ? "the console" : logging.file_path;
  return `${source ?? "the defaults"}: valid; control ${host}:${control}${tls_summary}, ` +
    `TCP ports ${formatPortRange(zeromq.port_range)} (${portCount(zeromq.port_range)}), ` +
    `${srtSummary(config)}, ` + rlx1Summary(config) + fastwaySummary(config) +
    `log ${logging.level} as ${logging.format} to ${sink}`;
}

/** Where relay_X v1 is served, where it is. */
function rlx1Summary({ rlx1, gateway }: LoadedConfig["config"]): string {
  if (rlx1 === undefined) return "";
  const { zmq, srt } = rlx1Ranges(rlx1);
  const own = rlx1.control_port === 0 || rlx1.control_port === gateway.tcp_port
    ? ""
    : ` with control port ${rlx1.control_port}`;
  return `relay_X v1${own} on TCP ports ${formatPortRange(zmq)} and ${formatPortRange(srt)} ` +
    `(${portCount(zmq) + portCount(srt)}), `;
}

/** Where fastway is served, where it is. */
function fastwaySummary({ fastway }: LoadedConfig["config"]): string {
  if (fastway === undefined) return "";
  const { ClientAddr, ServerAddr, client_tls_addr, server_tls_addr } = fastway;
  const both = (plain: ListenAddress, tls: ListenAddress | undefined) =>
    addressText(plain) + (tls === undefined ? "" : ` and ${addressText(tls)} (TLS)`);
  return `fastway for clients on ${both(ClientAddr, client_tls_addr)}, for servers on ` +
    `${both(ServerAddr, server_tls_addr)}, `;
}

function addressText({ host, port }: ListenAddress): string {
  return port === 0
    ? `any free port of ${host || "all addresses"}`
    : formatListenAddress({ host: host || "*", port });
}

/** Where sessions and named streams are served over SRT. */
function srtSummary({ gosrt, streams }: LoadedConfig["config"]): string {
  const { mode, port_range, shared_port, shared_sessions_max } = gosrt;
  const parts: string[] = [];
  if (mode === "per_session") {
    parts.push(`SRT ports ${formatPortRange(port_range)} (${portCount(port_range)})`);
  }
  if (shared_port !== "off") {
    const sessions = mode === "shared" ? ` for ${shared_sessions_max} sessions` : "";
    parts.push(
      `shared SRT ports ${formatPortRange(shared_port)} (${portCount(shared_port)})${sessions}`,
    );
  }
  const count = Object.keys(streams).length;
  if (count > 0) parts.push(`${count} ${count === 1 ? "stream" : "streams"}`);
  return parts.join(", ");
}
