/** Where one thread spends its time, by the runtime's own sampling through `node:inspector`. */
import type { Session } from "node:inspector";
import process from "node:process";
import type { CpuProfile } from "./cpu-profile.ts";

type Call = readonly [
  method: "Profiler.enable" | "Profiler.start" | "Profiler.stop" | "Profiler.setSamplingInterval",
  parameters?: { interval: number },
];

const BEGIN: readonly Call[] = [
  ["Profiler.enable"],
  ["Profiler.setSamplingInterval", { interval: 1000 }],
  ["Profiler.start"],
];

/**
 * Bun's sampling thread goes on waking at the last interval for ever, 2 % of a core. It takes a longer one
 * only by starting with it; a later profile begins up to this much late, microseconds.
 */
const REST: readonly Call[] = [
  ["Profiler.setSamplingInterval", { interval: 100_000 }],
  ["Profiler.start"],
  ["Profiler.stop"],
];

export class CpuProfiler {
  #session: Session | null = null;

  get is_running(): boolean {
    return this.#session !== null;
  }

  async start(): Promise<void> {
    const session = this.#session = newSession();
    for (const call of BEGIN) await post(session, call);
  }

  async stop(): Promise<CpuProfile> {
    const session = this.#take();
    const { profile } = await post(session, ["Profiler.stop"]) as { profile: CpuProfile };
    for (const call of REST) await post(session, call);
    session.disconnect();
    return profile;
  }

  /**
   * For a thread that never reaches its event loop, by which a runtime may deliver its answers. False:
   * this runtime does (Deno), and nothing has begun; Bun answers at once.
   */
  startNow(): boolean {
    const session = newSession();
    for (const call of BEGIN) {
      if (postNow(session, call) !== undefined) continue;
      session.disconnect();
      return false;
    }
    this.#session = session;
    return true;
  }

  stopNow(): CpuProfile {
    const session = this.#take();
    const { profile } = postNow(session, ["Profiler.stop"]) as { profile: CpuProfile };
    for (const call of REST) postNow(session, call);
    session.disconnect();
    return profile;
  }

  #take(): Session {
    const session = this.#session;
    if (session === null) throw new Error("no profile is being taken");
    this.#session = null;
    return session;
  }
}

/** Loaded only by whoever takes a profile. */
function newSession(): Session {
  const { Session } = process.getBuiltinModule("node:inspector");
  const session = new Session();
  session.connect();
  return session;
}

/** `post` as the runtimes have it; Node's types know no answer but the one by the event loop. */
interface Poster {
  post(
    method: string,
    parameters: object,
    answer?: (error: Error | null, value: unknown) => void,
  ): unknown;
}

function post(session: Session, [method, parameters]: Call): Promise<unknown> {
  return new Promise((resolve, reject) =>
    (session as Poster).post(
      method,
      parameters ?? {},
      (error, value) => error ? reject(error) : resolve(value),
    )
  );
}

function postNow(session: Session, [method, parameters]: Call): unknown {
  return (session as Poster).post(method, parameters ?? {});
}
