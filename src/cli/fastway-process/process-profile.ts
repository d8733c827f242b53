/** One CPU profile of the main thread and of every data worker that this runtime can look into. */
import type { Probed } from "../../data/thread-probe.ts";
import { joinProfiles, type ThreadProfile } from "../../observe/cpu-profile.ts";
import { CpuProfiler } from "../../observe/cpu-profiler.ts";

/** Threads by name. `missed`: those that could not be looked into, and why. */
export interface ProfiledThreads {
  threads: string[];
  missed: string[];
}

const MAIN = "main thread";

export class ProcessProfile {
  readonly #workers: Probed;
  readonly #main = new CpuProfiler();

  constructor({ workers }: { workers: Probed }) {
    this.#workers = workers;
  }

  get is_running(): boolean {
    return this.#main.is_running;
  }

  async start(): Promise<ProfiledThreads> {
    await this.#main.start();
    const answers = await this.#workers.probe({ kind: "cpu_start" });
    return {
      threads: [MAIN, ...answers.filter(({ error }) => error === null).map(({ thread }) => thread)],
      missed: answers.flatMap(({ thread, error }) => error === null ? [] : [`${thread}: ${error}`]),
    };
  }

  /** The profile as text, in the format `.cpuprofile`. */
  async stop(): Promise<ProfiledThreads & { text: string }> {
    const main = await this.#main.stop();
    const answers = await this.#workers.probe({ kind: "cpu_stop" });
    const profiles: ThreadProfile[] = [{ thread: MAIN, profile: main }];
    const missed: string[] = [];
    for (const { thread, profile, error } of answers) {
      if (profile !== null) profiles.push({ thread, profile });
      else missed.push(`${thread}: ${error}`);
    }
    return {
      threads: profiles.map(({ thread }) => thread),
      missed,
      text: JSON.stringify(joinProfiles(profiles)),
    };
  }
}
