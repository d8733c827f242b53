import { describe, expect, test } from "bun:test";
import { drawPlot, type Plot, roundTicks } from "../../bench/figures/plot.ts";

const bars: Plot = {
  name: "bars",
  title: "How <fast> & how far",
  x: { label: "sessions", categories: ["one", "eight"] },
  y: { label: "Gbit/s" },
  series: [
    {
      name: "relayx",
      points: [{ x: 0, y: 10, low: 9, high: 11 }, { x: 1, y: 20, low: 20, high: 20 }],
    },
    {
      name: "haproxy",
      points: [{ x: 0, y: 5, low: 5, high: 5 }, { x: 1, y: NaN, low: NaN, high: NaN }],
    },
  ],
  goal: { y: 12, label: "goal: 12" },
};

const count = (text: string | null, part: string) => (text ?? "").split(part).length - 1;

describe("ticks", () => {
  test("are round and reach the highest value", () => {
    expect(roundTicks(0, 10)).toEqual([0, 2, 4, 6, 8, 10]);
    expect(roundTicks(0, 0.07)).toEqual([0, 0.02, 0.04, 0.06, 0.08]);
    expect(roundTicks(0, 31)).toEqual([0, 10, 20, 30, 40]);
    for (const high of [0.0123, 1, 7.7, 99, 101, 5e6]) {
      expect(roundTicks(0, high).at(-1)!).toBeGreaterThanOrEqual(high);
      expect(roundTicks(0, high).length).toBeLessThanOrEqual(8);
    }
  });
});

describe("a plot", () => {
  const drawn = drawPlot(bars);

  test("says what it shows: title, both axes with units, legend, goal", () => {
    for (const words of ["How &lt;fast&gt; &amp; how far", "sessions", "Gbit/s", "goal: 12"]) {
      expect(drawn).toContain(words);
    }
    for (const name of ["relayx", "haproxy"]) expect(drawn).toContain(`>${name}</text>`);
  });

  test("has a bar for each figure and none for what was not measured", () => {
    // Two bars and a legend's square for relayx, one and one for haproxy, and the background.
    expect(count(drawn, 'fill="#0b6fb8"')).toBe(3);
    expect(count(drawn, 'fill="#e08214"')).toBe(2);
  });

  test("never writes what is not a number", () => {
    expect(drawn).not.toContain("NaN");
    expect(drawn).not.toContain("Infinity");
  });

  test("of nothing is no plot", () => {
    expect(drawPlot({ ...bars, series: [] })).toBeNull();
    const empty = [{ name: "relayx", points: [{ x: 0, y: NaN, low: NaN, high: NaN }] }];
    expect(drawPlot({ ...bars, series: empty })).toBeNull();
  });

  test("of lines on logarithmic axes leaves out what has no place there", () => {
    const lines = drawPlot({
      ...bars,
      x: { label: "bytes", logarithmic: true },
      y: { label: "ms", logarithmic: true },
      goal: undefined,
      series: [{
        name: "relayx",
        points: [0, 1, 10, 1000].map((x) => ({ x, y: x / 4, low: x / 5, high: x })),
      }],
    });
    expect(count(lines, "<circle")).toBe(3);
    expect(lines).not.toContain("NaN");
  });
});
