/** A small proxy inside the test, with the faults that a contender may have. */
import type { Buffer } from "node:buffer";
import net from "node:net";
import type { Contender, Running } from "../../bench/contenders/contender.ts";
import { FreePorts } from "../../bench/contenders/ports.ts";
import { portPairs, proxyLane } from "../../bench/contenders/proxy.ts";

export type Fault =
  | "none"
  | "not_installed"
  | "does_not_start"
  | "closes_early"
  | "wrong_bytes"
  | "loses_the_end";

/** Bytes that go through before a fault shows: fewer than the slowest machine moves in a sample. */
const FAULT_AFTER_BYTES = 1000;

export class FakeContender implements Contender {
  readonly carries = ["tcp", "fastway"] as const;
  readonly setup = "A proxy of the tests.";
  readonly shown = "fake";
  readonly name: string;
  /** How many are serving; 0 when all have been stopped again. */
  serving = 0;
  readonly #fault: Fault;
  readonly #fault_after: number;

  constructor({ name = "fake", fault, fault_after = FAULT_AFTER_BYTES }: {
    name?: string;
    fault: Fault;
    fault_after?: number;
  }) {
    this.name = name;
    this.#fault = fault;
    this.#fault_after = fault_after;
  }

  version(): Promise<string> {
    if (this.#fault !== "not_installed") return Promise.resolve("1.0");
    return Promise.reject(new Error("fake is not installed"));
  }

  async start({ need }: Parameters<Contender["start"]>[0]): Promise<Running> {
    if (this.#fault === "does_not_start") throw new Error("fake does not listen");
    const pairs = await portPairs(new FreePorts(), need.groups);
    const sockets = new Set<net.Socket>();
    const servers = await Promise.all(
      pairs.map(({ front_port, back_port }) => this.#listen({ front_port, back_port, sockets })),
    );
    this.serving++;
    return {
      serving_ms: 0,
      pids: () => [],
      open: (group, sessions) => Promise.resolve(proxyLane(pairs[group], sessions)),
      sessionsWay: () => pairs[0],
      stop: async () => {
        for (const socket of sockets) socket.destroy();
        await Promise.all(
          servers.map((server) => new Promise((resolve) => server.close(resolve))),
        );
        this.serving--;
      },
    };
  }

  #listen({ front_port, back_port, sockets }: {
    front_port: number;
    back_port: number;
    sockets: Set<net.Socket>;
  }): Promise<net.Server> {
    const server = net.createServer({ allowHalfOpen: true }, (front) => {
      const back = net.connect({ port: back_port, host: "127.0.0.1", allowHalfOpen: true });
      for (const [from, to] of [[front, back], [back, front]]) {
        sockets.add(from);
        from.on("error", () => {});
        this.#forward(from, to);
      }
    });
    return new Promise((resolve) => {
      server.listen(front_port, "127.0.0.1", () => resolve(server));
    });
  }

  #forward(from: net.Socket, to: net.Socket): void {
    let moved = 0;
    let cut = false;
    from.on("data", (bytes: Buffer) => {
      moved += bytes.length;
      const faulty = moved >= this.#fault_after;
      if (faulty && this.#fault === "closes_early") {
        from.destroy();
        to.destroy();
        return;
      }
      // Not by a flip: what is flipped there and back is right again.
      if (faulty && this.#fault === "wrong_bytes") {
        for (const at of bytes.keys()) bytes[at]++;
      }
      if (faulty && this.#fault === "loses_the_end") cut = true;
      if (cut) return;
      if (!to.write(bytes)) {
        from.pause();
        to.once("drain", () => from.resume());
      }
    });
    from.on("end", () => to.end());
  }
}
