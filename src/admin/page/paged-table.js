/**
 * A table of any number of rows that shows one page of them: filtered, sorted, and brought up to
 * date without being built anew. A row keeps its element for as long as it is shown, so focus,
 * selection and the reader's place survive; while somebody points at the rows or has focus in them
 * their order is held.
 */
import { counted } from "./format.js";
import { el, setAttribute, setText } from "./dom.js";
import { KeyedRows } from "./keyed-rows.js";

/** Orders by figures that change all the time are made anew at most this often, ms. */
const LIVELY_ORDER_MS = 4000;

/**
 * @template Row
 * @typedef {import("./keyed-rows.js").Column<Row>} Column
 */

/** @template Row */
export class PagedTable {
  #options;
  #body = el("tbody", { role: "rowgroup" });
  #empty = el("p", { class: "empty" });
  #range = el("span", { class: "range" });
  #told = el("span", { class: "visually-hidden", role: "status" });
  #held = el("span", { class: "held" }, "order held while you are in the rows");
  #previous = el("button", { type: "button" }, "Previous");
  #next = el("button", { type: "button" }, "Next");
  #size = el("select", { "aria-label": "Rows per page" });
  #filter = el("input", { type: "search", autocomplete: "off", spellcheck: "false" });
  #bar = el("div", { class: "table-bar" });
  #wrap = el("div", { class: "table-wrap" });
  #pager;
  #lines;
  /** @type {HTMLTableCellElement[]} */
  #headings = [];
  /** @type {Row[]} */
  #rows = [];
  /** All keys that pass the filter, in their order. @type {string[]} */
  #order = [];
  #page = 0;
  #sorted_at = 0;
  #sort;
  #inside = false;

  /**
   * @param {{
   *   root: HTMLElement,
   *   name: string,
   *   one: string,
   *   many: string,
   *   empty: string,
   *   columns: Column<Row>[],
   *   keyOf: (row: Row) => string,
   *   textOf: (row: Row) => string,
   *   sort: { column: number, descending: boolean },
   *   cards_below_px: number,
   *   page_rows?: number,
   * }} options `cards_below_px`: where there is less room, each row becomes a card.
   */
  constructor(options) {
    this.#options = options;
    this.#sort = { ...options.sort };
    this.#empty.textContent = options.empty;
    this.#filter.placeholder = `Filter ${options.many}`;
    this.#filter.setAttribute("aria-label", `Filter ${options.many}`);
    for (const size of [10, 25, 50, 100]) {
      this.#size.append(el("option", { value: String(size) }, `${size} rows`));
    }
    const is_narrow = matchMedia("(max-width: 759px)").matches;
    this.#size.value = String(is_narrow ? 10 : options.page_rows ?? 25);
    const table = el(
      "table",
      { role: "table", "aria-label": options.name },
      el("thead", { role: "rowgroup" }, this.#makeHead()),
      this.#body,
    );
    this.#wrap.append(table);
    this.#pager = el("div", { class: "pager" }, this.#previous, this.#next, this.#size);
    this.#bar.append(this.#filter, this.#range, this.#held);
    // Not reached by Tab; focus has a place there when the last row goes.
    options.root.tabIndex = -1;
    this.#lines = new KeyedRows({
      body: this.#body,
      columns: options.columns,
      fallback: options.root,
    });
    options.root.append(this.#bar, this.#told, this.#wrap, this.#empty, this.#pager);
    this.#listen();
    this.#render(true);
    new ResizeObserver(() => {
      const is_narrow = options.root.clientWidth < options.cards_below_px;
      this.#wrap.classList.toggle("cards", is_narrow);
    }).observe(options.root);
  }

  /** @param {Row[]} rows */
  show(rows) {
    this.#rows = rows;
    this.#render(false);
  }

  #makeHead() {
    const row = el("tr", { role: "row" });
    this.#headings = this.#options.columns.map((column, at) => {
      const heading = el("th", { scope: "col", role: "columnheader" });
      if (column.class) heading.className = column.class;
      if (column.sort) {
        const button = el("button", { type: "button", class: "sort" }, column.label);
        button.addEventListener("click", () => this.#sortBy(at));
        heading.append(button);
      } else {
        heading.append(column.label);
      }
      row.append(heading);
      return heading;
    });
    return row;
  }

  #listen() {
    this.#filter.addEventListener("input", () => {
      this.#page = 0;
      this.#render(true);
      this.#tell();
    });
    this.#size.addEventListener("change", () => this.#turnTo(0));
    this.#previous.addEventListener("click", () => this.#turnTo(this.#page - 1));
    this.#next.addEventListener("click", () => this.#turnTo(this.#page + 1));
    for (const name of ["pointerenter", "pointerleave", "focusin", "focusout"]) {
      // Where focus goes is known only after the event.
      this.#body.addEventListener(name, () => queueMicrotask(() => this.#noteInside()));
    }
  }

  #noteInside() {
    const inside = this.#body.matches(":hover") || this.#body.contains(document.activeElement);
    if (inside === this.#inside) return;
    this.#inside = inside;
    if (!inside) this.#render(false);
  }

  /** @param {number} at */
  #sortBy(at) {
    const { descending_first = false } = this.#options.columns[at];
    const same = this.#sort.column === at;
    this.#sort = { column: at, descending: same ? !this.#sort.descending : descending_first };
    this.#turnTo(0);
  }

  /** @param {number} page */
  #turnTo(page) {
    this.#page = page;
    this.#render(true);
    this.#wrap.scrollTop = 0;
    this.#tell();
  }

  #tell() {
    setText(this.#told, this.#range.textContent ?? "");
  }

  /** @param {boolean} asked The reader has asked for this order or page, so nothing is held. */
  #render(asked) {
    const { keyOf } = this.#options;
    const rows = this.#filtered();
    const by_key = new Map(rows.map((row) => [keyOf(row), row]));
    this.#arrange(by_key, asked);
    const size = Number(this.#size.value);
    const pages = Math.max(1, Math.ceil(this.#order.length / size));
    this.#page = Math.min(Math.max(0, this.#page), pages - 1);
    const first = this.#page * size;
    const keys = this.#order.slice(first, first + size);
    this.#lines.show(keys, by_key);
    this.#renderBar({ first, shown: keys.length, pages });
  }

  #filtered() {
    const wanted = this.#filter.value.trim().toLowerCase();
    if (wanted === "") return this.#rows;
    return this.#rows.filter((row) => this.#options.textOf(row).toLowerCase().includes(wanted));
  }

  /**
   * @param {Map<string, Row>} by_key
   * @param {boolean} asked
   */
  #arrange(by_key, asked) {
    const { columns } = this.#options;
    const { column, descending } = this.#sort;
    const now = performance.now();
    const too_soon = columns[column].lively && now - this.#sorted_at < LIVELY_ORDER_MS;
    if (!asked && (this.#inside || too_soon)) {
      const before = new Set(this.#order);
      const fresh = [...by_key.keys()].filter((key) => !before.has(key));
      this.#order = this.#order.filter((key) => by_key.has(key)).concat(fresh);
      return;
    }
    this.#sorted_at = now;
    const value = columns[column].sort ?? (() => 0);
    const turn = descending ? -1 : 1;
    this.#order = [...by_key]
      .map(([key, row]) => ({ key, value: value(row) }))
      .sort((a, b) => turn * compare(a.value, b.value) || compare(a.key, b.key))
      .map(({ key }) => key);
  }

  /** @param {{ first: number, shown: number, pages: number }} page */
  #renderBar({ first, shown, pages }) {
    const { one, many } = this.#options;
    const total = this.#rows.length;
    const found = this.#order.length;
    const all = found === total
      ? counted(total, one, many)
      : `${found} of ${counted(total, one, many)}`;
    setText(this.#range, pages > 1 ? `${first + 1}–${first + shown} of ${all}` : all);
    setText(this.#empty, total === 0 ? this.#options.empty : `None of ${all} passes the filter.`);
    this.#empty.hidden = found > 0;
    this.#wrap.hidden = found === 0;
    this.#pager.hidden = total <= 10;
    this.#bar.hidden = total === 0 && this.#filter.value === "";
    this.#held.hidden = !this.#inside || !this.#options.columns[this.#sort.column].lively;
    disable(this.#previous, this.#page === 0, this.#next);
    disable(this.#next, this.#page >= pages - 1, this.#previous);
    for (const [at, heading] of this.#headings.entries()) {
      const is_sorted = at === this.#sort.column;
      const order = this.#sort.descending ? "descending" : "ascending";
      setAttribute(heading, "aria-sort", is_sorted ? order : null);
    }
  }
}

/**
 * A button that is disabled loses the focus, so its counterpart gets it.
 * @param {HTMLButtonElement} button
 * @param {boolean} disabled
 * @param {HTMLButtonElement} other
 */
function disable(button, disabled, other) {
  if (button.disabled === disabled) return;
  const had_focus = document.activeElement === button;
  button.disabled = disabled;
  if (had_focus) other.focus();
}

/**
 * @param {string | number} a
 * @param {string | number} b
 */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
