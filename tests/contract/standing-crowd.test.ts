/** Standing ports in numbers, and in orders that nobody has thought of. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import type { StandingState } from "../../src/data/standing.ts";
import { ByteStream } from "../harness/byte-stream.ts";
import { announcedRandom, Random } from "../harness/random.ts";
import type { TcpEnd } from "../harness/tcp-end.ts";
import { timePasses } from "./rig.ts";
import { StandingRig } from "./standing-rig.ts";

setDefaultTimeout(60_000);

test("100 FE meet 100 BE at once, and everybody gets what is his", async () => {
  const rig = await StandingRig.start({
    gateway: { tcp_workers: 2 },
    limits: { unproven_per_address_max: 400 },
  }, { ports: 100 });
  try {
    const total_bytes = 200_000;
    const ports = await Promise.all(rig.ports.map((port) => rig.open({}, port)));
    const backs = await Promise.all(ports.map((port) => rig.be(port, `be-${port}`)));
    const fronts = await Promise.all(ports.map((port) => rig.fe(port, `fe-${port}`)));
    await Promise.all(ports.map(async (port, i) => {
      const [be, fe] = [backs[i], fronts[i]];
      const [up, down] = await Promise.all([
        fe.pour(new ByteStream({ total_bytes, seed: 2 * i })),
        be.pour(new ByteStream({ total_bytes, seed: 2 * i + 1 })),
        be.reached(total_bytes),
        fe.reached(total_bytes),
      ]);
      expect([be.digest(), fe.digest()]).toEqual([up, down]);
      fe.halfClose();
      expect(await rig.event("standing_over", port)).toMatchObject({
        reason: "finished",
        bytes_up: total_bytes,
        bytes_down: total_bytes,
        be: { id: `be-${port}` },
        fe: { id: `fe-${port}` },
      });
      await rig.state(port, "ready");
      expect(await fe.closed()).toEqual({ ended: true, error: null });
    }));
    // The same hundred BE take the next hundred.
    const next = await Promise.all(ports.map((port) => rig.fe(port, "next")));
    await Promise.all(ports.map(async (port, i) => {
      await backs[i].write(`for ${port}`);
      await next[i].reached(9);
      expect(next[i].text()).toBe(`for ${port}`);
    }));
    expect(rig.plane.snapshot()).toMatchObject({ workers: 2, ports_open: 100 });
  } finally {
    await rig.close();
  }
});

/**
 * One port and what must be true of it. Every byte of a session is the session's number, so that a
 * stranger among them is seen; what is checked of an end is all that it has ever received.
 */
class PortModel {
  readonly #rig: StandingRig;
  readonly #port: number;
  readonly #random: Random;
  #state: StandingState = "empty";
  #be: TcpEnd | null = null;
  #fe: TcpEnd | null = null;
  /** Of the present FE, and its number: from 1. */
  #session = 0;
  /** What the BE must have received: pieces of one number each. */
  #for_be: { number: number; bytes: number }[] = [];
  #for_fe_bytes = 0;
  readonly done: string[] = [];

  constructor(rig: StandingRig, port: number, seed: number) {
    this.#rig = rig;
    this.#port = port;
    this.#random = new Random(seed);
  }

  async step(): Promise<void> {
    const steps: Record<StandingState, (() => Promise<void>)[]> = {
      empty: [this.beComes, this.beComes, this.feIsRefused],
      ready: [this.feComes, this.feComes, this.feComes, this.beLeaves, this.otherBeIsRefused],
      busy: [
        this.up,
        this.down,
        this.up,
        this.down,
        this.feFinishes,
        this.feFinishes,
        this.feBreaksOff,
        this.beFinishes,
        this.beBreaksOff,
        this.feIsRefused,
        this.otherBeIsRefused,
        this.stop,
      ],
    };
    const step = this.#random.pick(steps[this.#state]);
    this.done.push(step.name);
    await step.call(this);
  }

  async beComes(): Promise<void> {
    this.#be = await this.#rig.be(this.#port);
    this.#for_be = [];
    this.#state = "ready";
  }

  async beLeaves(): Promise<void> {
    if (this.#random.next() < 0.5) this.#be!.halfClose();
    else this.#be!.abort();
    await this.#becomes("empty");
  }

  async feComes(): Promise<void> {
    this.#session++;
    const hello_has_more = this.#random.next() < 0.5;
    const behind = hello_has_more ? this.#piece(this.#random.int(1, 100)) : "";
    this.#fe = await this.#rig.join(this.#port, "FE", { id: `${this.#session}`, behind });
    this.#for_fe_bytes = 0;
    this.#sentUp(behind.length);
    expect((await this.#rig.state(this.#port, "busy")).fe!.id).toBe(`${this.#session}`);
    this.#state = "busy";
  }

  async up(): Promise<void> {
    const piece = this.#piece();
    await this.#fe!.write(piece);
    this.#sentUp(piece.length);
    if (this.#random.next() < 0.5) await this.#checkUp();
  }

  async down(): Promise<void> {
    const piece = this.#piece();
    await this.#be!.write(piece);
    this.#for_fe_bytes += piece.length;
    if (this.#random.next() < 0.5) await this.#checkDown();
  }

  async feFinishes(): Promise<void> {
    this.#fe!.halfClose();
    await this.#checkUp();
    if (this.#random.next() < 0.5) await this.down();
    await this.#fe!.ended();
    await this.#checkDown();
    await this.#over("finished", "ready");
  }

  async feBreaksOff(): Promise<void> {
    // What it has sent must have left it: a break takes the rest along.
    await this.#checkUp();
    const answers = this.#random.int(0, 3);
    for (let i = 0; i < answers; i++) this.#be!.write(this.#piece()).catch(() => {});
    this.#fe!.abort();
    for (let i = 0; i < answers; i++) this.#be!.write(this.#piece()).catch(() => {});
    await this.#over("aborted", "ready");
  }

  async beFinishes(): Promise<void> {
    this.#be!.halfClose();
    await this.#fe!.ended();
    await this.#checkDown();
    if (this.#random.next() < 0.5) await this.up();
    this.#fe!.halfClose();
    await this.#be!.ended();
    await this.#checkUp();
    await this.#over("finished", "empty");
  }

  async beBreaksOff(): Promise<void> {
    this.#be!.abort();
    await this.#fe!.closed();
    await this.#over("aborted", "empty");
  }

  async stop(): Promise<void> {
    const gone = [this.#be!, this.#fe!].map((end) => end.turnedAway());
    this.#rig.plane.stopSession(this.#port, "enough");
    await Promise.all([...gone, this.#over("released", "empty")]);
  }

  feIsRefused(): Promise<void> {
    return this.#isRefused("FE", this.#state === "empty" ? "no_server" : "port_occupied");
  }

  otherBeIsRefused(): Promise<void> {
    return this.#isRefused("BE", this.#state === "ready" ? "server_dup" : "port_occupied");
  }

  async #isRefused(role: "FE" | "BE", status: string): Promise<void> {
    const end = await this.#rig.join(this.#port, role, { behind: "x" });
    expect(await this.#rig.event("rejected", this.#port)).toMatchObject({ status });
    await end.turnedAway();
  }

  async #over(reason: string, state: StandingState): Promise<void> {
    const over = await this.#rig.event("standing_over", this.#port);
    expect(over).toMatchObject({ reason, fe: { id: `${this.#session}` } });
    if (reason === "finished") {
      expect(over.bytes_up).toBe(this.#upOfSession());
      expect(over.bytes_down).toBe(this.#for_fe_bytes);
    }
    const received = await this.#fe!.head(this.#fe!.received_bytes);
    expect(received.every((byte) => byte === this.#number)).toBe(true);
    await this.#becomes(state);
    this.#fe = null;
  }

  async #becomes(state: StandingState): Promise<void> {
    await this.#rig.state(this.#port, state);
    this.#state = state;
    if (state === "empty") this.#be!.destroy();
  }

  get #number(): number {
    return this.#session % 256;
  }

  #piece(bytes = this.#random.pick([1, 100, 5_000, 60_000])): Buffer {
    return Buffer.alloc(this.#random.int(1, bytes), this.#number);
  }

  #sentUp(bytes: number): void {
    if (bytes > 0) this.#for_be.push({ number: this.#number, bytes });
  }

  #upOfSession(): number {
    return this.#for_be.filter(({ number }) => number === this.#number)
      .reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async #checkUp(): Promise<void> {
    const expected = Buffer.concat(
      this.#for_be.map(({ number, bytes }) => Buffer.alloc(bytes, number)),
    );
    const received = await this.#be!.head(expected.length);
    expect(this.#be!.received_bytes).toBe(expected.length);
    expect(received.equals(expected.subarray(0, received.length))).toBe(true);
  }

  async #checkDown(): Promise<void> {
    await this.#fe!.reached(this.#for_fe_bytes);
    expect(this.#fe!.received_bytes).toBe(this.#for_fe_bytes);
  }
}

test("whatever comes and goes in whatever order, a port is what it must be", async () => {
  const random = announcedRandom("standing ports");
  const rig = await StandingRig.start({ gateway: { tcp_workers: 2 } }, { ports: 16 });
  try {
    await Promise.all(rig.ports.map(async (port) => {
      const seed = random.int(0, 2 ** 31);
      await rig.open({}, port);
      const model = new PortModel(rig, port, seed);
      for (let i = 0; i < 40; i++) {
        await model.step().catch((error: unknown) => {
          throw new Error(`after ${model.done.join(", ")}`, { cause: error });
        });
      }
      await timePasses(0);
      expect(rig.left(port)).toEqual([]);
    }));
  } finally {
    await rig.close();
  }
});
