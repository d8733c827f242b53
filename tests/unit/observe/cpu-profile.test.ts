import { describe, expect, test } from "bun:test";
import {
  type CpuProfile,
  joinProfiles,
  type ProfileNode,
} from "../../../src/observe/cpu-profile.ts";
import { CpuProfiler } from "../../../src/observe/cpu-profiler.ts";

function node(id: number, functionName: string, children: number[] = []): ProfileNode {
  return {
    id,
    callFrame: { functionName, scriptId: "1", url: "", lineNumber: 0, columnNumber: 0 },
    hitCount: 0,
    children,
  };
}

/** How long each function was on top, microseconds, by the rule that the tools have. */
function times({ nodes, samples = [], timeDeltas = [], startTime, endTime }: CpuProfile) {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
  const all: Record<string, number> = {};
  let now = startTime;
  for (const [at, sample] of samples.entries()) {
    now += timeDeltas[at];
    const until = at + 1 < samples.length ? now + timeDeltas[at + 1] : endTime;
    const name = names.get(sample)!;
    all[name] = (all[name] ?? 0) + until - now;
  }
  return all;
}

/** Every node is reached exactly once from the root, and every sample is a node. */
function expectTree({ nodes, samples = [], timeDeltas = [] }: CpuProfile): void {
  const byId = new Map(nodes.map((one) => [one.id, one]));
  expect(byId.size).toBe(nodes.length);
  const seen = new Set<number>();
  const visit = (id: number) => {
    expect(seen.has(id)).toBe(false);
    seen.add(id);
    byId.get(id)!.children?.forEach(visit);
  };
  visit(1);
  expect(seen.size).toBe(nodes.length);
  expect(samples.every((id) => byId.has(id))).toBe(true);
  expect(timeDeltas).toHaveLength(samples.length);
}

const first: CpuProfile = {
  nodes: [node(1, "(root)", [2]), node(2, "a", [5]), node(5, "b")],
  startTime: 1_000_000,
  endTime: 1_010_000,
  samples: [2, 5, 2],
  timeDeltas: [1000, 2000, 3000],
};
const second: CpuProfile = {
  nodes: [node(7, "(root)", [9]), node(9, "c")],
  startTime: 50,
  endTime: 5050,
  samples: [9, 9],
  timeDeltas: [0, 2000],
};

describe("threads in one profile", () => {
  test("stand side by side in the tree, and one behind the other in time", () => {
    const joined = joinProfiles([
      { thread: "main", profile: first },
      { thread: "tcp 0", profile: second },
    ]);
    expectTree(joined);
    const names = new Map(joined.nodes.map(({ id, callFrame }) => [id, callFrame.functionName]));
    expect(joined.nodes[0].children!.map((id) => names.get(id))).toEqual(["main", "tcp 0"]);
    expect(joined.endTime - joined.startTime).toBe(15_000);
    expect(joined.samples!.map((id) => names.get(id))).toEqual(["a", "b", "a", "c", "c"]);
    expect(times(joined)).toEqual({ a: 2000 + 4000, b: 3000, c: 5000 });
    // What was given is left alone.
    expect(first.nodes[0].callFrame.functionName).toBe("(root)");
  });

  test("a thread that nobody saw anything of was idle", () => {
    const nothing: CpuProfile = { nodes: [node(1, "(root)")], startTime: 0, endTime: 900_000 };
    const joined = joinProfiles([{ thread: "main", profile: nothing }]);
    expectTree(joined);
    expect(times(joined)).toEqual({ "(idle)": 900_000 });
    const empty = joinProfiles([{ thread: "main", profile: { ...nothing, nodes: [] } }]);
    expectTree(empty);
    expect(times(empty)).toEqual({ "(idle)": 900_000 });
  });

  test("a long gap is sleep, not the function before it", () => {
    const gap = { ...second, endTime: 1_000_050, timeDeltas: [0, 400_000] };
    const joined = joinProfiles([{ thread: "main", profile: gap }]);
    expectTree(joined);
    expect(times(joined)).toEqual({ c: 2000, "(idle)": 998_000 });
    const idle = joined.nodes.find(({ callFrame }) => callFrame.functionName === "(idle)")!;
    // Between the two looks at c, and after them.
    expect(idle.hitCount).toBe(2);
  });
});

describe("the profiler of this thread", () => {
  function busy(ms: number): number {
    const until = performance.now() + ms;
    let sum = 0;
    while (performance.now() < until) sum += Math.sqrt(sum + 1);
    return sum;
  }

  test("sees what keeps it busy, by the event loop and without it, more than once", async () => {
    const profiler = new CpuProfiler();
    const named = (profile: CpuProfile) =>
      profile.nodes.some(({ callFrame }) => callFrame.functionName === "busy");
    await profiler.start();
    expect(profiler.is_running).toBe(true);
    busy(300);
    expect(named(await profiler.stop())).toBe(true);
    expect(profiler.is_running).toBe(false);
    expect(profiler.startNow()).toBe(true);
    busy(400);
    expect(named(profiler.stopNow())).toBe(true);
    expect(() => profiler.stopNow()).toThrow("no profile is being taken");
  });
});
