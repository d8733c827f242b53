/**
 * A network path with losses: a second loopback address that leads to a gateway on the first one.
 * TCP passes unharmed; of the UDP packets some are lost, both ways.
 */
import dgram from "node:dgram";
import net from "node:net";
import type { PortBlock } from "./free-ports.ts";
import type { Random } from "./random.ts";

export interface LossyPathOptions {
  /** Where the path begins, such as 127.0.0.2. */
  host: string;
  /** Where the gateway is. */
  target: string;
  ports: PortBlock;
  random: Random;
}

export class LossyPath {
  /** The share of packets that are lost, 0 to 1. */
  loss = 0;
  #drops_left = 0;
  readonly #options: LossyPathOptions;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #datagrams = new Set<dgram.Socket>();

  constructor(options: LossyPathOptions) {
    this.#options = options;
    this.#server = net.createServer((near) => this.#joinTcp(near));
  }

  async start(): Promise<void> {
    const { host, ports } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen({ host, port: ports.control }, resolve);
    });
    for (let port = ports.srt.first; port <= ports.srt.last; port++) await this.#openUdp(port);
  }

  /** An outage: the next so many packets are lost, whatever `loss` says. */
  dropNext(packets: number): void {
    this.#drops_left = packets;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const socket of this.#datagrams) socket.close();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #joinTcp(near: net.Socket): void {
    const far = net.connect({ host: this.#options.target, port: this.#options.ports.control });
    for (const [from, to] of [[near, far], [far, near]]) {
      this.#sockets.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        this.#sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }

  async #openUdp(port: number): Promise<void> {
    const near = dgram.createSocket("udp4");
    this.#datagrams.add(near);
    const peers = new Map<number, dgram.Socket>();
    near.on("message", (packet, from) => {
      let far = peers.get(from.port);
      if (far === undefined) {
        far = dgram.createSocket("udp4");
        this.#datagrams.add(far);
        peers.set(from.port, far);
        far.on("message", (answer) => {
          if (!this.#loses()) near.send(answer, from.port, from.address);
        });
      }
      if (!this.#loses()) far.send(packet, port, this.#options.target);
    });
    await new Promise<void>((resolve, reject) => {
      near.once("error", reject);
      near.bind(port, this.#options.host, resolve);
    });
  }

  #loses(): boolean {
    if (this.#drops_left > 0) {
      this.#drops_left -= 1;
      return true;
    }
    return this.loss > 0 && this.#options.random.next() < this.loss;
  }
}
