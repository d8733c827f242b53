/**
 * The last readings of each session's rate, kept by the page itself, and the little line that shows
 * them in a row of the table.
 */
import { setAttribute, svg } from "./dom.js";

const READINGS = 60;
/** Sessions beyond it have no line; 60 readings of 4 bytes each are kept of the others. */
const SESSIONS_MAX = 5000;
const WIDTH_PX = 72;
const HEIGHT_PX = 20;

export class Traces {
  /** Oldest first. @type {Map<string, Float32Array>} */
  #bySession = new Map();

  /** @param {readonly import("../answers.ts").SessionRow[]} sessions */
  note(sessions) {
    const there = new Set();
    for (const { session_id, ports } of sessions) {
      there.add(session_id);
      let readings = this.#bySession.get(session_id);
      if (readings === undefined) {
        if (this.#bySession.size >= SESSIONS_MAX) continue;
        readings = new Float32Array(READINGS).fill(NaN);
        this.#bySession.set(session_id, readings);
      }
      readings.copyWithin(0, 1);
      readings[READINGS - 1] = ports.reduce((sum, port) => sum + port.bps_up + port.bps_down, 0);
    }
    for (const session_id of this.#bySession.keys()) {
      if (!there.has(session_id)) this.#bySession.delete(session_id);
    }
  }

  /**
   * Puts a line into a cell; the answer brings it up to date. It repeats what the figures beside it
   * say, so a screen reader is not told of it.
   * @param {HTMLElement} cell
   * @returns {(session_id: string) => void}
   */
  makeLine(cell) {
    const line = svg("polyline", { class: "trace-line" });
    const box = `0 0 ${WIDTH_PX} ${HEIGHT_PX}`;
    cell.append(svg("svg", { class: "trace", viewBox: box, "aria-hidden": "true" }, line));
    return (session_id) => {
      const readings = this.#bySession.get(session_id);
      setAttribute(line, "points", readings === undefined ? "" : points(readings));
    };
  }
}

/** @param {Float32Array} readings */
function points(readings) {
  // What was before the page was opened is not known, and no line is drawn for it.
  const first = readings.findIndex((value) => !Number.isNaN(value));
  const top = Math.max(1, ...readings.subarray(first));
  const at = (/** @type {number} */ value, /** @type {number} */ i) => {
    const x = (i * WIDTH_PX) / (READINGS - 1);
    const y = HEIGHT_PX - 2 - (value / top) * (HEIGHT_PX - 4);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  };
  return [...readings].map(at).slice(first).join(" ");
}
