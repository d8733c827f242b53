/** Where the data side is served, in the words of the log's line `serving`. */
import { formatPortRange } from "../config/port-range.ts";
import { rlx1Ranges } from "../config/rlx1-section.ts";
import type { Config } from "../config/schema.ts";
import type { ServedFastway } from "../planes/fastway/fastway.ts";

/** `fastway`: the ports that it has been given; null where it is not served. */
export function servedPorts(config: Config, fastway: ServedFastway | null) {
  const { first, last } = config.zeromq.port_range;
  return {
    zmq_ports: `${first}-${last}`,
    srt_ports: srtPorts(config),
    ...rlx1Ports(config),
    ...(fastway === null ? {} : fastwayPorts(fastway)),
  };
}

function fastwayPorts({ ports, tls_ports: { client, server } }: ServedFastway) {
  return {
    fastway_client_port: ports.client,
    fastway_server_port: ports.server,
    ...(client === undefined ? {} : { fastway_client_tls_port: client }),
    ...(server === undefined ? {} : { fastway_server_tls_port: server }),
  };
}

function srtPorts({ gosrt }: Config): string {
  const { mode, port_range, shared_port } = gosrt;
  const shared = shared_port === "off" ? "" : formatPortRange(shared_port);
  if (mode === "shared") return `${shared} (shared)`;
  return formatPortRange(port_range) + (shared && `, ${shared} (shared)`);
}

function rlx1Ports({ rlx1 }: Config) {
  if (rlx1 === undefined) return {};
  const { zmq, srt } = rlx1Ranges(rlx1);
  return { rlx1_zmq_ports: formatPortRange(zmq), rlx1_srt_ports: formatPortRange(srt) };
}
