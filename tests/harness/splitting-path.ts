/** A path to a port on which the first bytes of a connection arrive in two pieces. */
import type { Buffer } from "node:buffer";
import net, { type AddressInfo } from "node:net";
import { turn } from "./deadline.ts";

export class SplittingPath {
  /** How long the first piece is. */
  cut = 1;
  /** How long the first bytes of the last connection were, both pieces together. */
  first_bytes = 0;
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();

  constructor(target_port: number) {
    this.#server = net.createServer({ noDelay: true, allowHalfOpen: true }, (near) => {
      const far = net.connect({ port: target_port, host: "127.0.0.1", allowHalfOpen: true });
      far.setNoDelay(true);
      const { cut } = this;
      for (const [one, other] of [[near, far], [far, near]]) {
        this.#sockets.add(one);
        one.on("error", () => other.destroy());
        one.on("close", () => this.#sockets.delete(one));
        one.on("end", () => other.end());
      }
      far.on("data", (bytes: Buffer) => near.write(bytes));
      near.once("data", async (bytes: Buffer) => {
        near.pause();
        this.first_bytes = bytes.length;
        far.write(bytes.subarray(0, cut));
        await turn();
        far.write(bytes.subarray(cut));
        near.on("data", (more: Buffer) => far.write(more));
        near.resume();
      });
    });
  }

  static async to(target_port: number): Promise<SplittingPath> {
    const path = new SplittingPath(target_port);
    await new Promise<void>((resolve) => path.#server.listen(0, "127.0.0.1", resolve));
    return path;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}
