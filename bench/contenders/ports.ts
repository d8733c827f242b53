/**
 * Free ports below the ephemeral range, where no outgoing connection can be in the way. Each look
 * starts behind the last one's find, so that a port is not used again while its old connections wait
 * out their time.
 */
import { randomInt } from "node:crypto";
import { tcpFree, udpFree } from "../../scripts/demo/ports.ts";

const FIRST = 5_000;
/** Linux gives out ephemeral ports from 32768. */
const LAST = 32_000;

export class FreePorts {
  #next = FIRST + randomInt(0, 5_000);

  /** Ports that are free for TCP and UDP at this moment. */
  async take(count: number): Promise<number[]> {
    const found: number[] = [];
    for (let tried = 0; found.length < count; tried++) {
      if (tried > LAST - FIRST) throw new Error(`no ${count} free ports from ${FIRST} to ${LAST}`);
      const port = this.#step(1);
      if (await tcpFree(port) && await udpFree(port)) found.push(port);
    }
    return found;
  }

  /** Neighbouring ports. Single ones may be taken: who gets a range must cope with that. */
  range(count: number): { first: number; last: number } {
    if (count > LAST - FIRST) throw new Error(`no ${count} ports from ${FIRST} to ${LAST}`);
    if (this.#next + count > LAST) this.#next = FIRST;
    const first = this.#step(count);
    return { first, last: first + count - 1 };
  }

  #step(count: number): number {
    if (this.#next + count > LAST) this.#next = FIRST;
    const port = this.#next;
    this.#next += count;
    return port;
  }
}
