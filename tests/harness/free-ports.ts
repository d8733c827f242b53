/**
 * Free ports for a gateway under test. Test files run at the same time, in several processes, so a
 * look whether a port is free is not enough: the loopback ports below the ephemeral range are cut
 * into blocks, and whoever holds the block's first port as a listener owns the block.
 */
import dgram from "node:dgram";
import net from "node:net";
import { randomInt } from "node:crypto";

const first_block_port = 12_000;
/** Linux hands out ephemeral ports from 32768 up; below it no outgoing connection is in the way. */
const last_block_port = 32_000;
const block_ports = 100;

export interface PortRange {
  first: number;
  last: number;
}

export interface PortBlock {
  control: number;
  tcp: PortRange;
  srt: PortRange;
  release(): Promise<void>;
}

function listenTcp(port: number): Promise<net.Server | null> {
  return new Promise((resolve) => {
    const server = net.createServer((socket) => socket.destroy());
    server.once("error", () => resolve(null));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(server));
  });
}

function closeTcp(server: net.Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}

function udpIsFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = dgram.createSocket({ type: "udp4" });
    socket.once("error", () => resolve(false));
    socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => {
      socket.close(() => resolve(true));
    });
  });
}

async function allFree({ control, tcp, srt }: Omit<PortBlock, "release">): Promise<boolean> {
  const tcp_ports = [control];
  for (let port = tcp.first; port <= tcp.last; port++) tcp_ports.push(port);
  for (const port of tcp_ports) {
    const server = await listenTcp(port);
    if (server === null) return false;
    await closeTcp(server);
  }
  for (let port = srt.first; port <= srt.last; port++) {
    if (!await udpIsFree(port)) return false;
  }
  return true;
}

/** Claims a block with room for `tcp_ports` and `srt_ports` data ports (48 of each at most). */
export async function claimPorts(
  { tcp_ports = 24, srt_ports = 24 }: { tcp_ports?: number; srt_ports?: number } = {},
): Promise<PortBlock> {
  if (tcp_ports > 48 || srt_ports > 48) {
    throw new Error(`asked for ${tcp_ports} and ${srt_ports} ports; a block has 48 of each`);
  }
  const blocks = Math.floor((last_block_port - first_block_port) / block_ports);
  const start = randomInt(0, blocks);
  for (let step = 0; step < blocks; step++) {
    const base = first_block_port + ((start + step) % blocks) * block_ports;
    const guard = await listenTcp(base);
    if (guard === null) continue;
    const ports = {
      control: base + 1,
      tcp: { first: base + 2, last: base + 1 + tcp_ports },
      srt: { first: base + 50, last: base + 49 + srt_ports },
    };
    if (await allFree(ports)) return { ...ports, release: () => closeTcp(guard) };
    await closeTcp(guard);
  }
  throw new Error("no free block of ports on the loopback between 12000 and 32000");
}
