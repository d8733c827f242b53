/** A path to a port whose connections break off after so many bytes, in the midst of anything. */
import type { Buffer } from "node:buffer";
import net, { type AddressInfo } from "node:net";
import type { Random } from "./random.ts";

export interface CuttingPathOptions {
  /** For each new connection, both directions together; without it nothing is cut. */
  cut_after_bytes?: () => number;
  /** Whether what is cut off ends with a FIN or with a RST. */
  random?: Random;
  /** Takes connections and passes nothing on. */
  swallow?: boolean;
}

export class CuttingPath {
  /** Passes nothing on, for now. What comes meanwhile is lost. */
  deaf = false;
  cuts = 0;
  readonly #target_port: number;
  readonly #options: CuttingPathOptions;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  #cuts_at_all = true;

  private constructor(target_port: number, options: CuttingPathOptions) {
    this.#target_port = target_port;
    this.#options = options;
    this.#server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
      this.#keep(near);
      if (!options.swallow) this.#join(near);
    });
  }

  static async to(target_port: number, options: CuttingPathOptions): Promise<CuttingPath> {
    const path = new CuttingPath(target_port, options);
    await new Promise<void>((resolve) => path.#server.listen(0, "127.0.0.1", resolve));
    return path;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  leaveAlone(): void {
    this.#cuts_at_all = false;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #join(near: net.Socket): void {
    const far = net.connect({ port: this.#target_port, host: "127.0.0.1", allowHalfOpen: true });
    far.setNoDelay(true);
    this.#keep(far);
    let rest = this.#options.cut_after_bytes?.() ?? Infinity;
    const carry = (from: net.Socket, to: net.Socket) => {
      from.on("data", (bytes: Buffer) => {
        if (this.deaf) return;
        const will_cut = rest < bytes.length && this.#cuts_at_all;
        const part = will_cut ? bytes.subarray(0, rest) : bytes;
        rest -= part.length;
        if (will_cut) {
          if (part.length > 0) to.write(part);
          this.cuts++;
          this.#cut(near);
          this.#cut(far);
        } else if (!to.write(part)) {
          from.pause();
          to.once("drain", () => from.resume());
        }
      });
      from.on("end", () => to.end());
      from.on("close", () => to.destroy());
    };
    carry(near, far);
    carry(far, near);
  }

  #cut(socket: net.Socket): void {
    if (this.#options.random?.int(0, 1) === 0) socket.resetAndDestroy();
    else socket.destroy();
  }

  #keep(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => this.#sockets.delete(socket));
  }
}
