/**
 * Two ends meet over a contender: both generators are started, wait until all their connections are
 * up, and run the same schedule, while the cost of the contender and of the generators is read at the
 * window's two ends.
 */
import type { Children } from "./child.ts";
import type { Lane } from "./contenders/contender.ts";
import { type ProcessCost, treeCost } from "./facts/process-cost.ts";
import { Generator, type GeneratorOrder, stopAll } from "./generator.ts";
import { nowNs } from "./load/libc.ts";
import type { EndPlace, PathFaults, Schedule } from "./load/wire.ts";
import type { Size } from "./sample.ts";

/** Between telling the generators the schedule and its start, seconds. */
const LEAD_S = 0.02;
/** How long the rest may take behind the window: tails, latencies, statistics. */
const AFTER_MS = 40_000;

export interface Ends {
  front: Generator;
  back: Generator;
}

/** An order without the place, which the lane gives. */
type Placeless<Order> = Order extends { place: EndPlace } ? Omit<Order, "place"> : never;
export type EndOrder = Placeless<GeneratorOrder>;

/** Starts both ends of a lane, in the order in which the lane's way of meeting wants them. */
export async function startEnds({ children, lane, front, back, name = "" }: {
  children: Children;
  lane: Lane;
  front: EndOrder;
  back: EndOrder;
  name?: string;
}): Promise<Ends> {
  const start = (side: string, order: EndOrder, place: EndPlace) =>
    new Generator({
      children,
      name: `${name}${side} end`,
      order: { ...order, place } as GeneratorOrder,
    });
  const behind = start("back", back, lane.back);
  const started = [behind];
  try {
    if ("accept" in lane.back) await behind.listening();
    const before = start("front", front, lane.front);
    started.push(before);
    await Promise.all([behind.ready(), before.ready()]);
    return { front: before, back: behind };
  } catch (error) {
    await stopAll(started);
    throw error;
  }
}

/**
 * Puts a bad network before the front end's way: the lane that comes back leads through it. It forwards
 * until it is released, and is one of `beside` when the ends are observed.
 */
export async function throughPath({ children, lane, listen_port, faults }: {
  children: Children;
  lane: Lane;
  listen_port: number;
  faults: PathFaults;
}): Promise<{ lane: Lane; path: Generator }> {
  const targets = "connect" in lane.front ? lane.front.connect : [];
  const [target_port, ...others] = new Set(targets.map(({ port }) => port));
  if (target_port === undefined || others.length > 0) {
    throw new Error("a path leads to one port, and this lane has not exactly one");
  }
  const path = new Generator({
    children,
    name: "impaired path",
    order: { program: "impaired-path", ...faults, listen_port, target_port },
  });
  try {
    await path.listening();
  } catch (error) {
    await path.stop();
    throw error;
  }
  const connect = targets.map(({ opening }) => ({ port: listen_port, opening }));
  return { lane: { ...lane, front: { connect } }, path };
}

/** The cost of something within the window. */
export interface WindowCost {
  /** Cores in use: seconds of CPU per second. */
  cores: number;
  rss_bytes: number;
  threads: number;
}

export interface Observed {
  relay: WindowCost;
  generators: WindowCost;
}

/**
 * Gives all ends the same schedule and reads costs while they follow it. Results are the caller's to
 * take from the generators; this resolves when the window is over.
 */
export async function observe({ ends, beside = [], pids, size, settle_s = 0 }: {
  ends: readonly Ends[];
  /** Load programs that are no ends and follow the same schedule. */
  beside?: readonly Generator[];
  pids: () => number[];
  size: Pick<Size, "window_s" | "warm_up_s">;
  /** Time between the start and the warm-up, for connections that take long to be paired. */
  settle_s?: number;
}): Promise<Observed> {
  const start_ns = nowNs() + (LEAD_S + settle_s) * 1e9;
  const window_from_ns = start_ns + size.warm_up_s * 1e9;
  const schedule: Schedule = {
    start_ns,
    window_from_ns,
    window_to_ns: window_from_ns + size.window_s * 1e9,
  };
  const generators = [...ends.flatMap(({ front, back }) => [front, back]), ...beside];
  for (const generator of generators) generator.go(schedule);
  const read = () => ({
    at_ns: nowNs(),
    relay: treeCost(pids()),
    generators: treeCost(generators.map(({ pid }) => pid)),
  });
  await until(schedule.window_from_ns);
  const from = read();
  await until(schedule.window_to_ns);
  const to = read();
  const elapsed_s = (to.at_ns - from.at_ns) / 1e9;
  const cost = (before: ProcessCost, after: ProcessCost): WindowCost => ({
    // No process is no cost and not a cost of 0: nothing relays a direct connection.
    cores: after.processes === 0 ? NaN : (after.cpu_s - before.cpu_s) / elapsed_s,
    rss_bytes: after.rss_bytes,
    threads: after.threads,
  });
  return {
    relay: cost(from.relay, to.relay),
    generators: cost(from.generators, to.generators),
  };
}

/** Both results of a pair of ends; where one has failed, nothing is left running. */
export async function resultsOf<Front, Back>(
  { front, back }: Ends,
): Promise<{ front: Front; back: Back }> {
  try {
    const [first, second] = await Promise.all([
      front.result<Front>(AFTER_MS),
      back.result<Back>(AFTER_MS),
    ]);
    return { front: first, back: second };
  } finally {
    await stopAll([front, back]);
  }
}

function until(at_ns: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, (at_ns - nowNs()) / 1e6)));
}
