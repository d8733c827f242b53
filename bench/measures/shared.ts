/** Columns, plots and goals that several measures have in common. */
import type { Contender, Transport } from "../contenders/contender.ts";
import type { Figures } from "../figures/figures.ts";
import type { Plot } from "../figures/plot.ts";
import { figure } from "../figures/words.ts";
import type { Column, Goal } from "../sample.ts";

/** HAProxy as its manual allows and as it comes: goals are held against the better of both. */
export const HAPROXIES = ["haproxy", "haproxy-tuned"] as const;

export const carries = (transport: Transport) => (contender: Contender) =>
  contender.carries.includes(transport);

/** The name on the left stands for a process that relays; a direct connection has none. */
export const isRelay = (name: string) => name !== "direct";

export const RELAY_COST: readonly Column[] = [
  { value: "relay_cores", label: "relay CPU", unit: "cores", digits: 2 },
  { value: "generator_cores", label: "generators' CPU", unit: "cores", digits: 2 },
];

/** Bars: one group per case, one bar per contender. */
export function barPlot({ figures, name, title, cases, value, label, x_label, ...more }: {
  figures: Figures;
  name: string;
  title: string;
  cases: string[];
  value: string;
  label: string;
  x_label: string;
  goal?: Plot["goal"];
  /** For figures that differ by powers of ten. */
  logarithmic?: boolean;
  only?: (contender: string) => boolean;
}): Plot {
  return {
    name,
    title,
    x: { label: x_label, categories: cases },
    y: { label, logarithmic: more.logarithmic },
    series: figures.contenders().filter(more.only ?? (() => true)).map((contender) => ({
      name: contender,
      points: cases.map((case_name, x) => point(figures, case_name, contender, value, x)),
    })),
    goal: more.goal,
  };
}

/** Lines: one per contender, over a number that each case stands for. */
export function curve({ figures, name, title, over, value, label, x, y, goal, only }: {
  figures: Figures;
  name: string;
  title: string;
  /** The case and where it lies on the horizontal axis. */
  over: readonly (readonly [case_name: string, x: number])[];
  value: string;
  label: string;
  x: Plot["x"];
  y?: { logarithmic?: boolean };
  goal?: Plot["goal"];
  only?: (contender: string) => boolean;
}): Plot {
  return {
    name,
    title,
    x,
    y: { label, ...y },
    series: figures.contenders().filter(only ?? (() => true)).map((contender) => ({
      name: contender,
      points: over.map(([case_name, at]) => point(figures, case_name, contender, value, at)),
    })),
    goal,
  };
}

function point(figures: Figures, case_name: string, contender: string, value: string, x: number) {
  const { median, min, max } = figures.spread(case_name, contender, value);
  return { x, y: median, low: min, high: max };
}

/** A goal with a lower or an upper bound; what is not a number was not measured. */
export function goal({ what, measured, at_least, at_most, unit, digits }: {
  what: string;
  measured: number;
  at_least?: number;
  at_most?: number;
  unit: string;
  digits: number;
}): Goal {
  const bound = at_least ?? at_most ?? NaN;
  const sign = at_least === undefined ? "≤" : "≥";
  const known = Number.isFinite(measured) && Number.isFinite(bound);
  const words = (value: number) => `${figure(value, digits)}${unit === "" ? "" : ` ${unit}`}`;
  return {
    what,
    goal: `${sign} ${words(bound)}`,
    measured: words(measured),
    reached: known ? (at_least === undefined ? measured <= bound : measured >= bound) : null,
  };
}

/** `from` → `to` as words: "2.1 times as much". */
export function times(ratio: number): string {
  return `${figure(ratio, ratio < 10 ? 2 : 0)} times`;
}
