/**
 * The rows of a table by their keys: one that stays keeps its element, so that focus and the reader's
 * place stay with it, and only what has changed in it is touched.
 */
import { el } from "./dom.js";

/**
 * @template Row
 * @typedef {object} Column
 * @property {string} label The heading, and the label of the value on a narrow screen.
 * @property {(row: Row) => string | number} [sort] What to sort by; without it the column has no order.
 * @property {boolean} [descending_first]
 * @property {boolean} [lively] Its order changes by itself.
 * @property {string} [class]
 * @property {(cell: HTMLElement) => (row: Row) => void} make Builds a cell once; the answer fills it.
 */

/** @template Row */
export class KeyedRows {
  #body;
  #columns;
  #fallback;
  /** @type {Map<string, { element: HTMLTableRowElement, fill: ((row: Row) => void)[] }>} */
  #shown = new Map();

  /**
   * @param {{
   *   body: HTMLTableSectionElement,
   *   columns: Column<Row>[],
   *   fallback: HTMLElement,
   * }} options `fallback` gets the focus when the last row, which had it, goes.
   */
  constructor({ body, columns, fallback }) {
    this.#body = body;
    this.#columns = columns;
    this.#fallback = fallback;
  }

  /**
   * @param {readonly string[]} keys In their order.
   * @param {ReadonlyMap<string, Row>} by_key
   */
  show(keys, by_key) {
    const wanted = new Set(keys);
    const focused = this.#focusedPlace();
    for (const [key, { element }] of this.#shown) {
      if (wanted.has(key)) continue;
      element.remove();
      this.#shown.delete(key);
    }
    let at = this.#body.firstElementChild;
    for (const key of keys) {
      const row = /** @type {Row} */ (by_key.get(key));
      const line = this.#shown.get(key) ?? this.#makeRow(key);
      for (const fill of line.fill) fill(row);
      if (line.element === at) at = at.nextElementSibling;
      else this.#body.insertBefore(line.element, at);
    }
    if (focused) this.#restoreFocus(focused);
  }

  /** @param {string} key */
  #makeRow(key) {
    const element = el("tr", { role: "row" });
    const fill = this.#columns.map((column) => {
      const cell = el("td", { role: "cell", "data-label": column.label });
      if (column.class) cell.className = column.class;
      element.append(cell);
      return column.make(cell);
    });
    const line = { element, fill };
    this.#shown.set(key, line);
    return line;
  }

  #focusedPlace() {
    const control = document.activeElement;
    if (!(control instanceof HTMLElement) || !this.#body.contains(control)) return null;
    const cell = control.closest("td");
    const row = cell?.parentElement;
    if (!cell || !row) return null;
    return {
      control,
      row: [...this.#body.children].indexOf(row),
      cell: [...row.children].indexOf(cell),
    };
  }

  /**
   * Moving an element takes its focus, and a row that is gone takes its control along: then the
   * control of the row in its place is next.
   * @param {{ control: HTMLElement, row: number, cell: number }} focused
   */
  #restoreFocus({ control, row, cell }) {
    if (control.isConnected) {
      if (document.activeElement !== control) control.focus({ preventScroll: true });
      return;
    }
    const lines = this.#body.children;
    const place = lines[Math.min(row, lines.length - 1)]?.children[cell];
    const next = place?.querySelector("button, a") ?? this.#fallback;
    /** @type {HTMLElement} */ (next).focus({ preventScroll: true });
  }
}
