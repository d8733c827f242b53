/** What a measure is, and what comes out of it. */
import type { Children } from "./child.ts";
import type { Contender, Transport } from "./contenders/contender.ts";
import type { Noise } from "./facts/noise.ts";
import type { Figures } from "./figures/figures.ts";
import type { Plot } from "./figures/plot.ts";

/** Numbers by name; the name ends in the unit, such as `rate_gbps`. */
export type Values = Record<string, number>;

/** Something that was watched over time: seconds since the start, and the value. */
export type Series = Record<string, [seconds: number, value: number][]>;

/** One setting of a measure, such as 8 sessions both ways. */
export interface Case {
  name: string;
  parameters: Values;
}

export interface Outcome {
  values: Values;
  series?: Series;
}

/** One contender, one case, one round. */
export interface Sample {
  measure: string;
  case: string;
  contender: string;
  round: number;
  values: Values;
  series?: Series;
  noise: Noise | null;
  /** Why there are no values, or null. A contender that fails is never shown as fast. */
  failed: string | null;
}

/** How long and how much; `quick` is for a look, the full size is what the report stands on. */
export interface Size {
  quick: boolean;
  rounds: number | null;
  /** Seconds that are measured, and seconds before that. */
  window_s: number;
  warm_up_s: number;
}

/** What a measure has to work with for one sample. */
export interface Work {
  children: Children;
  contender: Contender;
  folder: string;
  case: Case;
  size: Size;
  /** For measures that take long: what is going on now. */
  progress(words: string): void;
}

/** One column of a measure's table. */
export interface Column {
  value: string;
  label: string;
  unit: string;
  digits: number;
}

export interface Goal {
  what: string;
  goal: string;
  measured: string;
  /** Null where it could not be measured. */
  reached: boolean | null;
}

export interface Measure {
  readonly name: string;
  readonly title: string;
  /** What is done and how, for the report. */
  readonly about: string;
  readonly transports: readonly Transport[];
  readonly columns: readonly Column[];
  /** Contenders that make no sense here are left out, with no row. */
  accepts(contender: Contender): boolean;
  rounds(size: Size): number;
  cases(size: Size): Case[];
  run(work: Work): Promise<Outcome>;
  goals(figures: Figures): Goal[];
  plots(figures: Figures): Plot[];
  /** How the cost grows and what bounds it, from the figures. */
  sentences(figures: Figures): string[];
}
