/**
 * CPU profiles in the format `.cpuprofile`, which Chrome's DevTools, VS Code and speedscope open: a tree
 * of call frames, and one node of it for each moment at which somebody looked. Times are microseconds.
 */

export interface ProfileNode {
  id: number;
  callFrame: {
    functionName: string;
    scriptId: string;
    url: string;
    lineNumber: number;
    columnNumber: number;
  };
  hitCount?: number;
  children?: number[];
  positionTicks?: { line: number; ticks: number }[];
}

export interface CpuProfile {
  nodes: ProfileNode[];
  startTime: number;
  endTime: number;
  samples?: number[];
  timeDeltas?: number[];
}

export interface ThreadProfile {
  thread: string;
  profile: CpuProfile;
}

/**
 * Nobody looked for this long: the thread slept. Bun does not look at a thread that runs nothing, and
 * without a word on it the time would be taken for that of the last function before.
 */
const SLEPT_US = 20_000;
/** How long the last function before it is taken to have run. */
const LOOK_US = 1000;

/**
 * One profile of several threads, as the format knows only one: each is a function of its own below the
 * root, and its time begins where that of the one before ends.
 */
export function joinProfiles(threads: readonly ThreadProfile[]): CpuProfile {
  const joined = new JoinedProfile();
  for (const { thread, profile } of threads) joined.add(thread, profile);
  return joined.profile;
}

class JoinedProfile {
  readonly profile = {
    nodes: [node(1, "(root)")],
    startTime: 0,
    endTime: 0,
    samples: [] as number[],
    timeDeltas: [] as number[],
  };
  /** Since the last sample. */
  #since_us = 0;

  add(thread: string, { nodes, startTime, endTime, samples = [], timeDeltas = [] }: CpuProfile) {
    const { profile } = this;
    const base = profile.nodes.length;
    const ids = new Map(nodes.map(({ id }, at) => [id, base + 1 + at]));
    const idle = node(base + nodes.length + 1, "(idle)");
    const root = nodes[0] === undefined ? idle.id : base + 1;
    profile.nodes[0].children!.push(root);
    for (const [at, one] of nodes.entries()) {
      const children = (one.children ?? []).map((id) => ids.get(id)!);
      const own = { ...one, id: base + 1 + at, children };
      if (at === 0) {
        own.callFrame = { ...one.callFrame, functionName: thread };
        own.children.push(idle.id);
      }
      profile.nodes.push(own);
    }
    profile.nodes.push(idle);
    let elapsed_us = 0;
    for (const [at, sample] of samples.entries()) {
      const delta_us = Math.max(0, timeDeltas[at] ?? 0);
      elapsed_us += delta_us;
      this.#pass(delta_us, at === 0 ? 0 : LOOK_US, idle.id);
      this.#look(ids.get(sample) ?? root);
    }
    const rest_us = Math.max(0, endTime - startTime - elapsed_us);
    if (samples.length > 0) this.#pass(rest_us, LOOK_US, idle.id);
    else {
      // The tools want one sample at least.
      this.#rest(idle.id);
      this.#since_us = rest_us;
    }
    profile.endTime += elapsed_us + rest_us;
  }

  /** Time goes by; where it is much, the thread slept after the first of it. */
  #pass(delta_us: number, awake_us: number, idle: number): void {
    if (delta_us < SLEPT_US) {
      this.#since_us += delta_us;
      return;
    }
    this.#since_us += awake_us;
    this.#rest(idle);
    this.#since_us = delta_us - awake_us;
  }

  /** A sample that nobody has taken, and so nobody has counted. */
  #rest(id: number): void {
    this.#look(id);
    this.profile.nodes[id - 1].hitCount! += 1;
  }

  #look(id: number): void {
    this.profile.samples.push(id);
    this.profile.timeDeltas.push(this.#since_us);
    this.#since_us = 0;
  }
}

function node(id: number, functionName: string): ProfileNode {
  return {
    id,
    callFrame: { functionName, scriptId: "0", url: "", lineNumber: -1, columnNumber: -1 },
    hitCount: 0,
    children: [],
  };
}
