/** Which ports the demo's gateway uses: the shipped ones, or others where those are taken. */
import { createSocket } from "node:dgram";
import { createServer } from "node:net";

export interface DemoPorts {
  control: number;
  zmq: { first: number; last: number };
  srt: { first: number; last: number };
}

/** The shipped configuration's ports. */
const SHIPPED: DemoPorts = {
  control: 5555,
  zmq: { first: 2300, last: 2320 },
  srt: { first: 2350, last: 2380 },
};

/** Where to look else: each attempt moves all three up by this, below the ephemeral ports. */
const STEP = 500;
const ATTEMPTS = 40;

export async function demoPorts(): Promise<DemoPorts> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const up = attempt === 0 ? 0 : 6000 + attempt * STEP;
    const ports: DemoPorts = {
      control: SHIPPED.control + up,
      zmq: { first: SHIPPED.zmq.first + up, last: SHIPPED.zmq.last + up },
      srt: { first: SHIPPED.srt.first + up, last: SHIPPED.srt.last + up },
    };
    if (await allFree(ports)) return ports;
  }
  throw new Error(`no free ports found: ${ATTEMPTS} places were tried from ${SHIPPED.control} up`);
}

export function isShipped(ports: DemoPorts): boolean {
  return ports.control === SHIPPED.control;
}

async function allFree(ports: DemoPorts): Promise<boolean> {
  if (!await tcpFree(ports.control)) return false;
  for (let port = ports.zmq.first; port <= ports.zmq.last; port++) {
    if (!await tcpFree(port)) return false;
  }
  for (let port = ports.srt.first; port <= ports.srt.last; port++) {
    if (!await udpFree(port)) return false;
  }
  return true;
}

/** Whether nobody has the port on this machine. */
export function tcpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "0.0.0.0" }, () => server.close(() => resolve(true)));
  });
}

/** The same for UDP. */
export function udpFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => resolve(false));
    socket.bind({ port, address: "0.0.0.0" }, () => socket.close(() => resolve(true)));
  });
}
