/**
 * The plot of the last minutes: two lines over time, one reading per second, with a cursor that the
 * pointer or the arrow keys move and that says what is under it.
 */
import { svg } from "./dom.js";

const HEIGHT_PX_MIN = 190;
const MARGIN = { top: 10, right: 10, bottom: 22, left: 74 };

/**
 * @typedef {object} Readings One value per second; the last one is of now.
 * @property {readonly number[]} up
 * @property {readonly number[]} down
 */

export class Plot {
  #svg = svg("svg", { class: "plot", focusable: "false", "aria-hidden": "true" });
  #grid = svg("g", { class: "plot-grid" });
  #area = svg("path", { class: "plot-area" });
  #up = svg("path", { class: "plot-line up" });
  #down = svg("path", { class: "plot-line down" });
  #cursor = svg("line", { class: "plot-cursor" });
  #root;
  #seconds;
  #say;
  #label;
  /** @type {Readings} */
  #readings = { up: [], down: [] };
  #width = 0;
  #height = HEIGHT_PX_MIN;
  /** How many seconds ago the cursor stands; null: there is none. @type {number | null} */
  #ago = null;

  /**
   * @param {{
   *   root: HTMLElement,
   *   seconds: number,
   *   label: (value: number) => string,
   *   say: (ago: number | null) => string,
   * }} options `root` takes the keyboard; `say` tells what is under the cursor, in words.
   */
  constructor({ root, seconds, label, say }) {
    this.#root = root;
    this.#seconds = seconds;
    this.#label = label;
    this.#say = say;
    this.#svg.append(this.#grid, this.#area, this.#up, this.#down, this.#cursor);
    root.append(this.#svg);
    root.setAttribute("role", "slider");
    root.setAttribute("aria-valuemin", String(1 - seconds));
    root.setAttribute("aria-valuemax", "0");
    root.tabIndex = 0;
    new ResizeObserver(() => this.#draw()).observe(root);
    root.addEventListener("pointermove", (event) => this.#point(event));
    root.addEventListener("pointerleave", () => this.#moveTo(null));
    root.addEventListener("blur", () => this.#moveTo(null));
    root.addEventListener("keydown", (event) => this.#onKey(event));
    this.#moveTo(null);
  }

  /** @param {Readings} readings */
  show(readings) {
    this.#readings = readings;
    this.#draw();
    this.#moveTo(this.#ago);
  }

  #draw() {
    this.#width = Math.max(160, this.#root.clientWidth);
    this.#height = Math.max(HEIGHT_PX_MIN, this.#root.clientHeight);
    this.#svg.setAttribute("viewBox", `0 0 ${this.#width} ${this.#height}`);
    const { up, down } = this.#readings;
    const step = niceStep(Math.max(1000, ...up, ...down) / 4);
    const top = step * Math.max(1, Math.ceil(Math.max(...up, ...down, 0) / step));
    this.#drawGrid(top, step);
    const up_path = this.#path(up, top);
    this.#up.setAttribute("d", up_path);
    this.#down.setAttribute("d", this.#path(down, top));
    const floor = this.#height - MARGIN.bottom;
    const left = this.#x(up.length - 1);
    this.#area.setAttribute("d", up.length > 1 ? `${up_path}V${floor}H${left}Z` : "");
    this.#drawCursor();
  }

  /**
   * @param {number} top
   * @param {number} step
   */
  #drawGrid(top, step) {
    const parts = [];
    for (let value = 0; value <= top; value += step) {
      const y = String(this.#y(value, top));
      const x2 = String(this.#width - MARGIN.right);
      parts.push(svg("line", { x1: String(MARGIN.left), x2, y1: y, y2: y }));
      const text = { x: String(MARGIN.left - 8), y, dy: "0.32em", "text-anchor": "end" };
      parts.push(svg("text", text, document.createTextNode(this.#label(value))));
    }
    const every_s = this.#width < 420 ? 120 : 60;
    for (let ago = 0; ago <= this.#seconds; ago += every_s) {
      const text = {
        x: String(this.#x(Math.min(ago, this.#seconds - 1))),
        y: String(this.#height - 6),
        "text-anchor": ago === 0 ? "end" : ago >= this.#seconds ? "start" : "middle",
      };
      const words = ago === 0 ? "now" : `−${ago / 60} min`;
      parts.push(svg("text", text, document.createTextNode(words)));
    }
    this.#grid.replaceChildren(...parts);
  }

  /** @param {number} ago */
  #x(ago) {
    const room = this.#width - MARGIN.left - MARGIN.right;
    return round(MARGIN.left + room * (1 - ago / (this.#seconds - 1)));
  }

  /**
   * @param {number} value
   * @param {number} top
   */
  #y(value, top) {
    const room = this.#height - MARGIN.top - MARGIN.bottom;
    return round(MARGIN.top + room * (1 - value / top));
  }

  /**
   * @param {readonly number[]} values
   * @param {number} top
   */
  #path(values, top) {
    const points = values.map((value, at) =>
      `${this.#x(values.length - 1 - at)},${this.#y(value, top)}`
    );
    return points.length === 0 ? "" : `M${points.join("L")}`;
  }

  #drawCursor() {
    this.#cursor.toggleAttribute("hidden", this.#ago === null);
    if (this.#ago === null) return;
    const x = String(this.#x(this.#ago));
    this.#cursor.setAttribute("x1", x);
    this.#cursor.setAttribute("x2", x);
    this.#cursor.setAttribute("y1", String(MARGIN.top));
    this.#cursor.setAttribute("y2", String(this.#height - MARGIN.bottom));
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const x = event.clientX - this.#root.getBoundingClientRect().left;
    const room = this.#width - MARGIN.left - MARGIN.right;
    this.#moveTo(Math.round((1 - (x - MARGIN.left) / room) * (this.#seconds - 1)));
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    const at = this.#ago ?? 0;
    const last = this.#seconds - 1;
    const to = {
      ArrowLeft: at + 1,
      ArrowDown: at + 1,
      ArrowRight: at - 1,
      ArrowUp: at - 1,
      PageDown: at + 30,
      PageUp: at - 30,
      Home: last,
      End: 0,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#moveTo(to);
  }

  /** @param {number | null} ago */
  #moveTo(ago) {
    const last = Math.max(0, this.#readings.up.length - 1);
    this.#ago = ago === null ? null : Math.min(last, Math.max(0, ago));
    this.#root.setAttribute("aria-valuenow", String(-(this.#ago ?? 0)));
    this.#root.setAttribute("aria-valuetext", this.#say(this.#ago));
    this.#drawCursor();
  }
}

/**
 * A round number not below the value: 1, 2 or 5 times a power of ten.
 * @param {number} value
 */
export function niceStep(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ([1, 2, 5].find((factor) => factor * power >= value) ?? 10);
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 10) / 10;
}
