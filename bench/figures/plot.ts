/**
 * Plots as SVG, written by hand: bars by category, or lines over a number. Each has a title, axes
 * with units, a legend, the median as the mark and a whisker from the least to the greatest round.
 */

export interface Point {
  x: number;
  y: number;
  low: number;
  high: number;
}

export interface PlotSeries {
  name: string;
  points: Point[];
}

export interface Plot {
  /** The file's name without its ending. */
  name: string;
  title: string;
  /** With categories the plot has bars, and a point's `x` is the index of its category. */
  x: { label: string; categories?: string[]; logarithmic?: boolean };
  y: { label: string; logarithmic?: boolean };
  series: PlotSeries[];
  /** A line across the plot, such as a goal. */
  goal?: { y: number; label: string };
}

const WIDTH = 860;
const HEIGHT = 430;
const LEFT = 82;
const RIGHT = 24;
const TOP = 52;
const BOTTOM = 100;
/** A bar narrower than this has its figure turned, so that neighbours do not overlap. */
const LABEL_WIDTH = 30;
const FONT = "font-family=\"system-ui, 'DejaVu Sans', sans-serif\"";

/** One colour per contender wherever it appears; told apart by colour-blind readers too. */
const COLOURS: Readonly<Record<string, string>> = {
  relayx: "#0b6fb8",
  haproxy: "#e08214",
  "haproxy-tuned": "#b35806",
  nginx: "#4d9221",
  socat: "#9970ab",
  "srt-live-transmit": "#c51b7d",
  direct: "#7f7f7f",
};
const OTHER_COLOURS = ["#0b6fb8", "#e08214", "#4d9221", "#9970ab", "#c51b7d", "#7f7f7f"];

/** Draws a plot; null where there is nothing to draw. */
export function drawPlot(plot: Plot): string | null {
  const series = plot.series
    .map(({ name, points }) => ({ name, points: points.filter((point) => drawable(plot, point)) }))
    .filter(({ points }) => points.length > 0);
  if (series.length === 0) return null;
  const points = series.flatMap((one) => one.points);
  const y = valueScale(plot, points);
  const x = positionScale(plot, points);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" ` +
    `height="${HEIGHT}" ${FONT} font-size="13">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    text({ x: WIDTH / 2, y: 28, words: plot.title, size: 16, weight: 600 }),
    ...grid(plot, y, x),
    ...(plot.x.categories ? bars(plot.x.categories, series, y) : lines(series, x, y)),
    ...goalLine(plot, y),
    text({ x: LEFT + plotWidth() / 2, y: HEIGHT - 42, words: plot.x.label }),
    text({ x: 20, y: TOP + plotHeight() / 2, words: plot.y.label, turned: true }),
    ...legend(series.map(({ name }) => name)),
    "</svg>",
    "",
  ].join("\n");
}

interface Scale {
  at(value: number): number;
  ticks: number[];
}

function drawable(plot: Plot, { x, y }: Point): boolean {
  return Number.isFinite(x) && Number.isFinite(y) && !(plot.y.logarithmic && y <= 0) &&
    !(plot.x.logarithmic && x <= 0);
}

const plotWidth = () => WIDTH - LEFT - RIGHT;
const plotHeight = () => HEIGHT - TOP - BOTTOM;

function valueScale(plot: Plot, points: Point[]): Scale {
  const goal = plot.goal ? [plot.goal.y] : [];
  const values = [...points.flatMap(({ y, low, high }) => [y, low, high]), ...goal]
    .filter((value) => Number.isFinite(value) && (!plot.y.logarithmic || value > 0));
  const high = Math.max(...values);
  if (plot.y.logarithmic) {
    // A little below the least, so that its bar can be seen.
    const from = Math.floor(Math.log10(Math.min(...values) * 0.8));
    const to = Math.max(from + 1, Math.ceil(Math.log10(high)));
    return {
      at: (value) =>
        TOP + plotHeight() * (1 - (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from)),
      ticks: Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i)),
    };
  }
  const ticks = roundTicks(0, high > 0 ? high : 1);
  const top = ticks.at(-1)!;
  return { at: (value) => TOP + plotHeight() * (1 - Math.max(0, value) / top), ticks };
}

function positionScale(plot: Plot, points: Point[]): Scale {
  const values = points.map(({ x }) => x);
  const low = Math.min(...values);
  const high = Math.max(...values);
  if (plot.x.logarithmic) {
    const from = Math.log10(low);
    const span = Math.log10(high) - from || 1;
    const margin = 24;
    return {
      at: (value) => LEFT + margin + (plotWidth() - 2 * margin) * (Math.log10(value) - from) / span,
      ticks: [...new Set(values)].sort((a, b) => a - b),
    };
  }
  const ticks = roundTicks(0, high > 0 ? high : 1);
  const end = ticks.at(-1)!;
  return { at: (value) => LEFT + plotWidth() * value / end, ticks };
}

/** About five steps of 1, 2 or 5 times a power of ten, the last at or above the highest value. */
export function roundTicks(low: number, high: number): number[] {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough * 0.999)!;
  const count = Math.ceil((high - low) / step - 1e-9);
  return Array.from({ length: count + 1 }, (_, i) => Number((low + i * step).toPrecision(12)));
}

function grid(plot: Plot, y: Scale, x: Scale): string[] {
  const out: string[] = [];
  for (const tick of y.ticks) {
    const at = y.at(tick);
    out.push(line({ x1: LEFT, y1: at, x2: WIDTH - RIGHT, y2: at, colour: "#dddddd" }));
    out.push(text({ x: LEFT - 8, y: at + 4, words: tickWords(tick), anchor: "end" }));
  }
  if (!plot.x.categories) {
    for (const tick of x.ticks) {
      const at = x.at(tick);
      out.push(line({ x1: at, y1: HEIGHT - BOTTOM, x2: at, y2: HEIGHT - BOTTOM + 5 }));
      out.push(text({ x: at, y: HEIGHT - BOTTOM + 20, words: tickWords(tick) }));
    }
  }
  const floor = HEIGHT - BOTTOM;
  out.push(line({ x1: LEFT, y1: floor, x2: WIDTH - RIGHT, y2: floor }));
  out.push(line({ x1: LEFT, y1: TOP, x2: LEFT, y2: floor }));
  return out;
}

function bars(categories: string[], series: PlotSeries[], y: Scale): string[] {
  const out: string[] = [];
  const group = plotWidth() / categories.length;
  const width = Math.min(46, group * 0.82 / series.length);
  categories.forEach((category, at) => {
    const middle = LEFT + group * (at + 0.5);
    // Wide names take two lines, so that many groups fit beside each other.
    category.split(", ").forEach((words, line) =>
      out.push(text({ x: middle, y: HEIGHT - BOTTOM + 18 + 15 * line, words, size: 12 }))
    );
    series.forEach(({ name, points }, index) => {
      const point = points.find(({ x }) => x === at);
      if (!point) return;
      const left = middle + (index - series.length / 2) * width;
      const top = y.at(point.y);
      const size = { width: round(width * 0.9), height: round(HEIGHT - BOTTOM - top) };
      out.push(
        `<rect x="${round(left)}" y="${round(top)}" width="${size.width}" ` +
          `height="${size.height}" fill="${colourOf(name, series)}"/>`,
      );
      out.push(...whisker(left + width * 0.45, point, y));
      const label = Math.min(top, y.at(point.high)) - 5;
      const turned = width < LABEL_WIDTH;
      out.push(text({
        x: left + width * 0.45 + (turned ? 4 : 0),
        y: label,
        words: short(point.y),
        size: 10,
        turned,
        anchor: turned ? "start" : "middle",
      }));
    });
  });
  return out;
}

function lines(series: PlotSeries[], x: Scale, y: Scale): string[] {
  return series.flatMap(({ name, points }) => {
    const colour = colourOf(name, series);
    const sorted = [...points].sort((a, b) => a.x - b.x);
    const path = sorted.map((point) => `${round(x.at(point.x))},${round(y.at(point.y))}`).join(" ");
    // A curve over time has too many points to mark each.
    const marked = sorted.length <= 20;
    return [
      `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      ...(marked
        ? sorted.flatMap((point) => [
          ...whisker(x.at(point.x), point, y),
          `<circle cx="${round(x.at(point.x))}" cy="${round(y.at(point.y))}" r="4" ` +
          `fill="${colour}"/>`,
        ])
        : []),
    ];
  });
}

function whisker(at: number, { low, high }: Point, y: Scale): string[] {
  if (!(high > low)) return [];
  const [top, bottom] = [y.at(high), y.at(low)];
  return [
    line({ x1: at, y1: top, x2: at, y2: bottom }),
    line({ x1: at - 4, y1: top, x2: at + 4, y2: top }),
    line({ x1: at - 4, y1: bottom, x2: at + 4, y2: bottom }),
  ];
}

function goalLine(plot: Plot, y: Scale): string[] {
  if (!plot.goal) return [];
  const at = y.at(plot.goal.y);
  return [
    line({ x1: LEFT, y1: at, x2: WIDTH - RIGHT, y2: at, colour: "#b2182b", dashed: true }),
    text({
      x: LEFT + 8,
      y: at - 6,
      words: plot.goal.label,
      anchor: "start",
      colour: "#b2182b",
    }),
  ];
}

function legend(names: string[]): string[] {
  const widths = names.map((name) => 34 + 7.6 * name.length);
  const total = widths.reduce((sum, width) => sum + width, 0);
  let left = Math.max(LEFT / 2, (WIDTH - total) / 2);
  return names.flatMap((name, at) => {
    const here = left;
    left += widths[at];
    return [
      `<rect x="${round(here)}" y="${HEIGHT - 27}" width="14" height="14" ` +
      `fill="${colourOf(name, names.map((one) => ({ name: one })))}"/>`,
      text({ x: here + 20, y: HEIGHT - 15, words: name, anchor: "start" }),
    ];
  });
}

function colourOf(name: string, all: readonly { name: string }[]): string {
  const at = all.findIndex((one) => one.name === name);
  return COLOURS[name] ?? OTHER_COLOURS[at % OTHER_COLOURS.length];
}

function line({ x1, y1, x2, y2, colour = "#333333", dashed = false }: {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
  colour?: string;
  dashed?: boolean;
}): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" ` +
    `stroke="${colour}"${dashed ? ' stroke-dasharray="6 4"' : ""}/>`;
}

function text({ x, y, words, anchor = "middle", size, weight, turned, colour = "#222222" }: {
  x: number;
  y: number;
  words: string;
  anchor?: "start" | "middle" | "end";
  size?: number;
  weight?: number;
  turned?: boolean;
  colour?: string;
}): string {
  const attributes = [
    `x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" fill="${colour}"`,
    size === undefined ? "" : ` font-size="${size}"`,
    weight === undefined ? "" : ` font-weight="${weight}"`,
    turned ? ` transform="rotate(-90 ${round(x)} ${round(y)})"` : "",
  ].join("");
  return `<text ${attributes}>${escapeXml(words)}</text>`;
}

/** Large steps as 5k or 2M, small ones as they are. */
function tickWords(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${Number((value / 1e6).toPrecision(4))}M`;
  if (size >= 1e4) return `${Number((value / 1e3).toPrecision(4))}k`;
  return String(Number(value.toPrecision(6)));
}

function short(value: number): string {
  return value >= 1000 ? tickWords(Math.round(value)) : String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

export function escapeXml(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
