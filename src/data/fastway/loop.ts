/**
 * The loop of a fastway worker: waits in epoll, carries out commands, gives every endpoint that can
 * move a fair turn, and fires deadlines. It never awaits and allocates nothing per frame.
 */
import { performance } from "node:perf_hooks";
import { EPOLLIN, type Libc, SystemCallError } from "../../../ffi/libc/mod.ts";
import { AddressRules } from "../address-rules.ts";
import { Admission } from "../admission.ts";
import type { Pulse } from "../pulse.ts";
import { RunQueue } from "../run-queue.ts";
import { ShedReports } from "../shed-reports.ts";
import { Poller } from "../tcp/poller.ts";
import type { TimerWheel } from "../timer-wheel.ts";
import type { WorkerChannel, WorkerLoop, WorkerOrders } from "../worker-channel.ts";
import type { FastwayMemory } from "../worker-protocol.ts";
import { Batch } from "./batch.ts";
import { Bridge } from "./bridge/bridge.ts";
import { ChunkPool } from "./chunk-pool.ts";
import type { FastwayContext } from "./context.ts";
import { noTotals, rowsOf, type WorkerTotals, writeTotals } from "./counters.ts";
import { Directory } from "./directory.ts";
import { Endpoints } from "./endpoints.ts";
import { Entrance } from "./entrance.ts";
import { OwnHeadcount } from "./headcount.ts";
import { Ids } from "./ids.ts";
import { PieceList } from "./pieces.ts";
import type {
  EndpointOver,
  FastwayOrder,
  FastwayReport,
  FastwaySide,
  FastwayWorkerSettings,
} from "./protocol.ts";
import { READ_BYTES, ReceiveArea } from "./receive-area.ts";
import { SnetContext } from "./snet/context.ts";
import { SnetSessions } from "./snet/sessions.ts";
import { Switchboard } from "./switchboard.ts";

/** Numbers of endpoints that a worker has before it would come into the next one's. */
const ENDPOINTS_PER_WORKER = 2 ** 32;

type ShedReport = Extract<FastwayReport, { type: "shed" }>;

export class FastwayLoop implements WorkerLoop, WorkerOrders {
  readonly #pulse: Pulse;
  readonly #channel: WorkerChannel;
  readonly #poller: Poller;
  readonly #wheel: TimerWheel;
  readonly #context: FastwayContext;
  readonly #totals: WorkerTotals;
  readonly #switchboard: Switchboard;
  readonly #endpoints: Endpoints;
  readonly #entrances: Readonly<Record<FastwaySide, Entrance>>;
  /** Null where it is the only worker. */
  readonly #bridge: Bridge | null;
  readonly #shed: ShedReports<ShedReport>;
  readonly #runnable = new RunQueue();
  #stopping = false;

  constructor(options: {
    libc: Libc;
    channel: WorkerChannel;
    settings: FastwayWorkerSettings;
    memory: FastwayMemory;
    pulse: Pulse;
    wheel: TimerWheel;
    /** Its place among the workers. */
    worker: number;
  }) {
    const { libc, channel, settings, memory, wheel, worker } = options;
    this.#pulse = options.pulse;
    this.#wheel = wheel;
    this.#channel = channel;
    this.#poller = new Poller({ libc });
    const report = (event: FastwayReport) => channel.report({ type: "fastway", event });
    this.#shed = new ShedReports<ShedReport>({ wheel, report, place: ({ side }) => side });
    const pool = new ChunkPool(settings.pool);
    const area = new ReceiveArea();
    const batch = new Batch({ area, pool });
    const context: FastwayContext = this.#context = {
      libc,
      settings,
      poller: this.#poller,
      wheel,
      admission: new Admission(settings),
      addresses: new AddressRules(settings),
      pool,
      area,
      batch,
      pieces: new PieceList(),
      counters: memory.counters,
      dregs: new Uint8Array(READ_BYTES),
      now_ms: performance.now(),
      is_serving: true,
      report: (event) => {
        if (event.type === "shed") this.#shed.add(event, context.now_ms);
        else report(event);
      },
      enqueue: (taker) => this.#runnable.add(taker),
      mustWait: (endpoint) => this.#bridge !== null && this.#bridge.holds(endpoint),
    };
    const totals = this.#totals = noTotals();
    const { bridge: shared } = memory;
    const bridge = this.#bridge = shared && new Bridge({ context, memory: shared, worker });
    const directory = bridge?.directory ?? new Directory();
    const place = { worker, workers: bridge?.workers ?? 1, from: settings.first_id };
    const switchboard = this.#switchboard = new Switchboard({
      batch,
      directory,
      totals,
      isServing: () => context.is_serving,
      ids: new Ids({ ...place, skips_zero: true }),
      neighbours: bridge ?? undefined,
    });
    const generation = Atomics.add(memory.generations, 0, 1);
    const endpoints = this.#endpoints = new Endpoints({
      context,
      switchboard,
      directory,
      rows: rowsOf(memory.counters),
      first_endpoint: generation * ENDPOINTS_PER_WORKER,
      client_ids: new Ids(place),
      headcount: bridge?.headcount ?? new OwnHeadcount(),
    });
    const snet = new SnetContext(context);
    const entrance = (side: FastwaySide) =>
      new Entrance({
        context,
        side,
        endpoints,
        bridge,
        snet: { context: snet, sessions: new SnetSessions({ ids: new Ids(place) }) },
      });
    this.#entrances = { client: entrance("client"), server: entrance("server") };
  }

  run(): void {
    const context = this.#context;
    const commands = { fd: this.#channel.eventfd, ready: () => this.#channel.receive(this) };
    this.#poller.watch(commands, EPOLLIN);
    const bridge = this.#bridge;
    bridge?.start({
      switchboard: this.#switchboard,
      totals: this.#totals,
      endpoint: (number) => this.#endpoints.get(number),
      takeReturn: (handed) => this.#entrances[handed.side].takeReturn(handed),
    });
    while (!this.#stopping) {
      const idle = this.#runnable.is_empty && (bridge === null || bridge.fallAsleep());
      const ended_ms = performance.now();
      this.#pulse.turnEnds(ended_ms);
      const ready = this.#poller.wait(idle ? this.#wheel.nextDelay(ended_ms) : 0);
      // The wait may have been long, and what is told now sets deadlines by this clock.
      context.now_ms = performance.now();
      this.#pulse.turnBegins(context.now_ms);
      bridge?.wakeUp();
      this.#poller.tell(ready);
      bridge?.turn();
      this.#runnable.run();
      this.#wheel.advance(context.now_ms);
      this.#settle();
      this.#tellTotals();
      this.#channel.flush();
    }
    this.#end("ended", "stopped");
    this.#channel.flush();
  }

  abandon(): void {
    this.#end("plane_failed", "");
  }

  fastway(order: FastwayOrder): void {
    switch (order.type) {
      case "listen":
        return this.#listen(order);
      case "serving":
        this.#context.is_serving = order.is_serving;
        return;
      case "end":
        return this.#endpoints.end(order.endpoint, "ended", order.reason);
      case "close_virtual":
        return this.#switchboard.closeAll();
      case "admit":
        return this.#endpoints.admit(order.endpoint);
      case "relink":
        return this.#bridge?.relink(order.relinked);
      default:
        throw new Error(`Unknown order ${JSON.stringify(order satisfies never)}`);
    }
  }

  changeBans({ added, removed }: { added: readonly string[]; removed: readonly string[] }): void {
    const { addresses } = this.#context;
    addresses.unban(removed);
    addresses.ban(added);
    if (added.length === 0) return;
    for (const entrance of Object.values(this.#entrances)) entrance.dropBanned();
  }

  apply(settings: object): void {
    const { settings: present, addresses } = this.#context;
    const { client, server, pool, ...rules } = settings as FastwayWorkerSettings;
    Object.assign(present, rules);
    // Parts hold on to these three, and read them when they need a rule.
    Object.assign(present.client, client);
    Object.assign(present.server, server);
    Object.assign(present.pool, pool);
    addresses.apply(present);
    this.#endpoints.apply();
  }

  /** There are no ports of sessions here. */
  open(): void {}

  release(): void {}

  stop(): void {
    this.#stopping = true;
  }

  #listen({ side, at }: Extract<FastwayOrder, { type: "listen" }>): void {
    const { report } = this.#context;
    const { kind } = at;
    try {
      const port = this.#entrances[side].listen(at);
      report({ type: "listening", side, kind, port });
    } catch (error) {
      // A path that no Unix socket can have is a RangeError.
      if (!(error instanceof SystemCallError || error instanceof RangeError)) throw error;
      const { message } = error;
      const code = error instanceof SystemCallError ? error.code : "EINVAL";
      report({ type: "listen_failed", side, kind, code, message });
    }
  }

  #settle(): void {
    do {
      this.#endpoints.settle();
    } while (this.#bridge?.settle());
  }

  #end(reason: EndpointOver, detail: string): void {
    for (const entrance of Object.values(this.#entrances)) entrance.close();
    // What a worker that breaks would still tell others may be part of what is broken.
    if (reason === "plane_failed") this.#bridge?.close();
    this.#endpoints.close(reason, detail);
    this.#settle();
    this.#bridge?.close();
    this.#tellTotals();
    this.#poller.close();
  }

  #tellTotals(): void {
    const { pool, counters } = this.#context;
    this.#totals.pool_bytes = pool.bytes;
    this.#totals.pool_used_bytes = pool.used_bytes;
    writeTotals(counters, this.#totals);
  }
}
