/**
 * A pool of ports as a map: one cell per port of the range and, behind them, per port that leaves it,
 * in rows that can be scrolled where there are many.
 * Only the rows in sight are drawn, so a pool of sixty thousand costs what one of a thousand does.
 *
 * It takes the keyboard as a slider over the cells: arrows, Page Up and Page Down, Home and
 * End; the letter of a state goes to the next port in that state, Enter explains its session.
 */
import { drawPort, inkOf, prepare } from "./port-drawing.js";
import { el, setText } from "./dom.js";
import { PORT_STATES } from "./words.js";

const HEIGHT_PX_MAX = 236;
const LABEL_PX = 46;

/** By how many ports there are: the size of a cell, and whether its number is inside. Pixels. */
const SIZES = [
  { ports_max: 64, width: 44, height: 24, gap: 4, numbered: true },
  { ports_max: 512, width: 16, height: 16, gap: 3, numbered: false },
  { ports_max: 4096, width: 11, height: 11, gap: 2, numbered: false },
  { ports_max: Infinity, width: 7, height: 7, gap: 1, numbered: false },
];

export class PortMap {
  #scroll = el("div", { class: "map-scroll" });
  #space = el("div", { class: "map-space" });
  #canvas = el("canvas", { role: "slider", tabindex: "0" });
  #told = el("p", { class: "map-told" });
  #numberOf;
  #tell;
  #onPick;
  #states = "";
  /** The cell that is pointed at; null: none. @type {number | null} */
  #cursor = null;
  #columns = 1;
  #size = SIZES[0];

  /**
   * @param {{
   *   root: HTMLElement,
   *   name: string,
   *   numberOf: (cell: number) => string,
   *   tell: (cell: number) => string,
   *   onPick: (cell: number) => void,
   * }} options `tell` says what a port is doing.
   */
  constructor({ root, name, numberOf, tell, onPick }) {
    this.#numberOf = numberOf;
    this.#tell = tell;
    this.#onPick = onPick;
    this.#canvas.setAttribute("aria-label", name);
    this.#canvas.setAttribute("aria-valuemin", "0");
    this.#space.append(this.#canvas);
    this.#scroll.append(this.#space);
    root.append(this.#scroll, this.#told);
    new ResizeObserver(() => this.draw()).observe(this.#scroll);
    this.#scroll.addEventListener("scroll", () => this.draw());
    this.#canvas.addEventListener("pointermove", (event) => this.#moveTo(this.#cellAt(event)));
    this.#canvas.addEventListener("pointerleave", () => this.#moveTo(null));
    this.#canvas.addEventListener("focus", () => this.#moveTo(this.#cursor ?? 0));
    this.#canvas.addEventListener("blur", () => this.#moveTo(null));
    this.#canvas.addEventListener("click", (event) => {
      const cell = this.#cellAt(event);
      if (cell !== null) this.#onPick(cell);
    });
    this.#canvas.addEventListener("keydown", (event) => this.#onKey(event));
  }

  /** @param {string} states One letter per cell. */
  show(states) {
    this.#states = states;
    this.#canvas.setAttribute("aria-valuemax", String(states.length - 1));
    if (this.#cursor !== null && this.#cursor >= states.length) this.#cursor = null;
    this.draw();
    this.#say();
  }

  /** Also to be called when the page's colours change. */
  draw() {
    const width = this.#scroll.clientWidth;
    const total = this.#states.length;
    if (total === 0 || width === 0) return;
    const size = this.#size = SIZES.find(({ ports_max }) => total <= ports_max) ?? SIZES[0];
    const left = size.numbered ? 0 : LABEL_PX;
    const fit = Math.max(1, Math.floor((width - left + size.gap) / (size.width + size.gap)));
    // Rows of round numbers can be counted in.
    this.#columns = fit >= 10 ? fit - fit % 10 : fit;
    const rows = Math.ceil(total / this.#columns);
    const row_px = size.height + size.gap;
    const height = Math.min(HEIGHT_PX_MAX, rows * row_px);
    this.#space.style.height = `${rows * row_px}px`;
    this.#scroll.style.height = `${height}px`;
    const context = prepare(this.#canvas, width, height);
    const ink = inkOf(this.#canvas);
    context.font = "11px system-ui, sans-serif";
    context.textBaseline = "middle";
    const top = this.#scroll.scrollTop;
    const last_row = Math.min(rows, Math.ceil((top + height) / row_px));
    for (let row = Math.floor(top / row_px); row < last_row; row++) {
      const y = row * row_px - top;
      if (!size.numbered && (row_px >= 12 || row % 2 === 0)) {
        context.fillStyle = ink.text;
        context.textAlign = "right";
        const number = this.#numberOf(row * this.#columns);
        context.fillText(number, LABEL_PX - 8, Math.max(6, y + size.height / 2 + 1));
      }
      this.#drawRow(context, ink, { row, y, left });
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {import("./port-drawing.js").Ink} ink
   * @param {{ row: number, y: number, left: number }} place
   */
  #drawRow(context, ink, { row, y, left }) {
    const states = this.#states;
    const { width, height, gap, numbered } = this.#size;
    for (let column = 0; column < this.#columns; column++) {
      const at = row * this.#columns + column;
      if (at >= states.length) return;
      const letter = /** @type {import("./words.js").PortLetter} */ (states[at]);
      const x = left + column * (width + gap);
      drawPort(context, { x, y, width, height }, letter, ink);
      if (numbered) this.#drawNumber(context, ink, { x, y, letter, number: this.#numberOf(at) });
      if (at === this.#cursor) {
        context.strokeStyle = ink.text;
        context.lineWidth = 2;
        context.strokeRect(x, y, width, height);
      }
    }
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {import("./port-drawing.js").Ink} ink
   * @param {{ x: number, y: number, letter: string, number: string }} cell
   */
  #drawNumber(context, ink, { x, y, letter, number }) {
    const { width, height } = this.#size;
    context.textAlign = "center";
    const [cx, cy] = [x + width / 2, y + height / 2 + 0.5];
    const filled = letter === "o" || letter === "b";
    if (!filled) {
      // A half filled cell is no ground to read on.
      context.strokeStyle = ink.surface;
      context.lineWidth = 3;
      context.strokeText(number, cx, cy);
    } else if (letter === "b") {
      context.strokeStyle = ink.blocked;
      context.lineWidth = 3;
      context.strokeText(number, cx, cy);
    }
    context.fillStyle = filled ? ink.on_fill : ink.text;
    context.fillText(number, cx, cy);
  }

  /**
   * @param {MouseEvent} event
   * @returns {number | null}
   */
  #cellAt({ offsetX, offsetY }) {
    const { width, height, gap, numbered } = this.#size;
    const column = Math.floor((offsetX - (numbered ? 0 : LABEL_PX)) / (width + gap));
    const row = Math.floor((offsetY + this.#scroll.scrollTop) / (height + gap));
    if (column < 0 || column >= this.#columns) return null;
    const cell = row * this.#columns + column;
    return cell < this.#states.length ? cell : null;
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (this.#states === "" || event.ctrlKey || event.metaKey || event.altKey) return;
    const at = this.#cursor ?? 0;
    const last = this.#states.length - 1;
    const page = this.#columns * Math.max(1, Math.floor(HEIGHT_PX_MAX / this.#size.height) - 1);
    const to = {
      ArrowLeft: at - 1,
      ArrowRight: at + 1,
      ArrowUp: at - this.#columns,
      ArrowDown: at + this.#columns,
      PageUp: at - page,
      PageDown: at + page,
      Home: 0,
      End: last,
    }[event.key] ?? this.#nextIn(event.key.toLowerCase(), at);
    if (event.key === "Enter") this.#onPick(at);
    else if (to === undefined) return;
    else this.#moveTo(Math.min(last, Math.max(0, to)), true);
    event.preventDefault();
  }

  /**
   * The next port in a state, from the start again where there is none behind.
   * @param {string} letter
   * @param {number} at
   */
  #nextIn(letter, at) {
    if (!PORT_STATES.some((state) => state.letter === letter)) return undefined;
    const behind = this.#states.indexOf(letter, at + 1);
    const found = behind >= 0 ? behind : this.#states.indexOf(letter);
    return found >= 0 ? found : undefined;
  }

  /**
   * @param {number | null} cell
   * @param {boolean} [into_view]
   */
  #moveTo(cell, into_view = false) {
    const has_focus = document.activeElement === this.#canvas;
    this.#cursor = cell ?? (has_focus ? this.#cursor : null);
    if (into_view && this.#cursor !== null) this.#scrollTo(this.#cursor);
    this.draw();
    this.#say();
  }

  /** @param {number} cell */
  #scrollTo(cell) {
    const row_px = this.#size.height + this.#size.gap;
    const y = Math.floor(cell / this.#columns) * row_px;
    const { scrollTop, clientHeight } = this.#scroll;
    if (y < scrollTop) this.#scroll.scrollTop = y;
    else if (y + row_px > scrollTop + clientHeight) {
      this.#scroll.scrollTop = y + row_px - clientHeight;
    }
  }

  #say() {
    const words = this.#cursor === null ? "" : this.#tell(this.#cursor);
    setText(this.#told, words === "" ? "Point at a port, or use the arrow keys." : words);
    this.#canvas.setAttribute("aria-valuenow", String(this.#cursor ?? 0));
    this.#canvas.setAttribute("aria-valuetext", words === "" ? "no port" : words);
  }
}
