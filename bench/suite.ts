/**
 * Runs measures: for each, round by round, every case with every contender in turn, so that a change
 * of the machine's state touches all of them. The order moves on by one each round. A contender that
 * is missing, fails, hangs or returns wrong bytes gives a failed sample and the run goes on.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Children } from "./child.ts";
import type { Contender } from "./contenders/contender.ts";
import { type Noise, NoiseMeter } from "./facts/noise.ts";
import type { Case, Measure, Outcome, Sample, Size } from "./sample.ts";

/** No single sample may take longer, milliseconds: the longest is a bulk run of ten minutes. */
const SAMPLE_MS_MAX = 15 * 60_000;

export interface Progress {
  /** What begins now. */
  sample(words: string): void;
  /** More about what is going on, replaced by the next. */
  detail(words: string): void;
  done(sample: Sample): void;
}

export interface SuiteOptions {
  measures: readonly Measure[];
  contenders: readonly Contender[];
  size: Size;
  progress: Progress;
  /** Where contenders get their folders; the system's place for temporary files by default. */
  scratch?: string;
}

export class Suite {
  readonly #options: SuiteOptions;
  readonly #children = new Children();
  readonly #noise = new NoiseMeter();
  #stopping = false;

  constructor(options: SuiteOptions) {
    this.#options = options;
  }

  async run(): Promise<Sample[]> {
    const { measures, contenders, size } = this.#options;
    const missing = await this.#missing();
    const samples: Sample[] = [];
    for (const measure of measures) {
      const taking_part = contenders.filter((contender) => measure.accepts(contender));
      const rounds = measure.rounds(size);
      for (let round = 1; round <= rounds; round++) {
        for (const one_case of measure.cases(size)) {
          for (let turn = 0; turn < taking_part.length; turn++) {
            if (this.#stopping) return samples;
            const contender = taking_part[(turn + round - 1) % taking_part.length];
            const sample = await this.#sample({
              measure,
              contender,
              one_case,
              round,
              rounds,
              missing: missing.get(contender) ?? null,
            });
            samples.push(sample);
            this.#options.progress.done(sample);
          }
        }
      }
    }
    return samples;
  }

  /** Ends what runs; `run()` comes back with what there is so far. */
  async close(): Promise<void> {
    this.#stopping = true;
    await this.#children.close();
  }

  /** Contenders that cannot run here, and why; asked once and not in every round. */
  async #missing(): Promise<Map<Contender, string>> {
    const missing = new Map<Contender, string>();
    for (const contender of this.#options.contenders) {
      await contender.version().catch((error: Error) => missing.set(contender, error.message));
    }
    return missing;
  }

  async #sample({ measure, contender, one_case, round, rounds, missing }: {
    measure: Measure;
    contender: Contender;
    one_case: Case;
    round: number;
    rounds: number;
    missing: string | null;
  }): Promise<Sample> {
    const base = {
      measure: measure.name,
      case: one_case.name,
      contender: contender.name,
      round,
    };
    if (missing !== null) return { ...base, values: {}, noise: null, failed: missing };
    const { progress, size, scratch } = this.#options;
    progress.sample(`${measure.name}: ${one_case.name}, ${contender.name}, ${round}/${rounds}`);
    const folder = await mkdtemp(join(scratch ?? tmpdir(), "relayx-bench-"));
    const heard = this.#noise.listen();
    let noise: Noise | null = null;
    try {
      const outcome = await withinLimit(measure.run({
        children: this.#children,
        contender,
        folder,
        case: one_case,
        size,
        progress: (words) => progress.detail(words),
      }));
      noise = heard();
      return { ...base, ...outcome, noise, failed: null };
    } catch (error) {
      return { ...base, values: {}, noise, failed: oneLine((error as Error).message) };
    } finally {
      // Whatever a failed sample has left running would disturb the next one.
      await this.#children.close();
      await rm(folder, { recursive: true, force: true });
    }
  }
}

async function withinLimit(work: Promise<Outcome>): Promise<Outcome> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const words = `not over within ${SAMPLE_MS_MAX / 60_000} minutes`;
    timer = setTimeout(() => reject(new Error(words)), SAMPLE_MS_MAX);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, " | ").slice(0, 400);
}
