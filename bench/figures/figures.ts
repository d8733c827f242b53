/** The samples of one measure, asked by case, contender and value. */
import type { Sample } from "../sample.ts";
import { median, type Spread, spread } from "./statistics.ts";

export class Figures {
  readonly #samples: readonly Sample[];

  constructor(samples: readonly Sample[]) {
    this.#samples = samples;
  }

  contenders(): string[] {
    return [...new Set(this.#samples.map(({ contender }) => contender))];
  }

  cases(): string[] {
    return [...new Set(this.#samples.map((sample) => sample.case))];
  }

  /**
   * Median and spread over the rounds that were not disturbed; where noise has touched all of them,
   * over all. A contender that failed once has no figures at all: it must not look fast by its luck.
   */
  spread(case_name: string, contender: string, value: string): Spread {
    const samples = this.#of(case_name, contender);
    if (samples.some(({ failed }) => failed !== null)) return spread([]);
    const quiet = samples.filter(({ noise }) => !noise?.disturbed);
    const used = quiet.length > 0 ? quiet : samples;
    return spread(used.map(({ values }) => values[value]).filter(Number.isFinite));
  }

  median(case_name: string, contender: string, value: string): number {
    return this.spread(case_name, contender, value).median;
  }

  /** The first reason why there are no figures, or null. */
  failure(case_name: string, contender: string): string | null {
    return this.#of(case_name, contender).find(({ failed }) => failed !== null)?.failed ?? null;
  }

  /** How many rounds there were, and how many of them were disturbed. */
  rounds(case_name: string, contender: string): { count: number; disturbed: number } {
    const samples = this.#of(case_name, contender);
    return {
      count: samples.length,
      disturbed: samples.filter(({ noise }) => noise?.disturbed).length,
    };
  }

  /** What was watched over time in the last round that did not fail. */
  series(case_name: string, contender: string, name: string): [number, number][] {
    return this.#of(case_name, contender)
      .filter(({ failed }) => failed === null).at(-1)?.series?.[name] ?? [];
  }

  /** How many times as much the one has as the other, from the medians. */
  ratio(case_name: string, value: string, one: string, other: string): number {
    return this.median(case_name, one, value) / this.median(case_name, other, value);
  }

  /** The best median of the named contenders that have one; NaN where none has. */
  best(case_name: string, value: string, contenders: readonly string[], better: "more" | "less") {
    const found = contenders.map((name) => this.median(case_name, name, value))
      .filter(Number.isFinite);
    if (found.length === 0) return NaN;
    return better === "more" ? Math.max(...found) : Math.min(...found);
  }

  /** Every value of every case, for an overall median such as the generators' CPU. */
  overall(contender: string, value: string): number {
    return median(
      this.#samples.filter((sample) => sample.contender === contender && sample.failed === null)
        .map(({ values }) => values[value]).filter(Number.isFinite),
    );
  }

  #of(case_name: string, contender: string): Sample[] {
    return this.#samples.filter((sample) =>
      sample.case === case_name && sample.contender === contender
    );
  }
}
