/** Cells and columns that several tables have: names of peers, values per port, ages, and buttons. */
import { encoded } from "./api.js";
import { el, setAttribute, setChildCount, setText } from "./dom.js";
import { duration, ID_LENGTH_MAX_ALONE, legible } from "./format.js";

/**
 * Shows a stranger's name: apart from the text around it, whichever way it is written, cut to a
 * length with the rest in its tooltip.
 * @param {HTMLElement} element
 * @param {string} id
 * @param {number} [length_max]
 */
export function fillId(element, id, length_max) {
  setText(element, legible(id, length_max));
  setAttribute(element, "title", legible(id, ID_LENGTH_MAX_ALONE));
}

/**
 * A name that leads to what is known of it.
 * @param {HTMLElement} parent
 * @returns {(id: string) => void}
 */
export function makeSubjectLink(parent) {
  const link = el("a", { class: "id", dir: "auto" });
  parent.append(link);
  return (id) => {
    fillId(link, id);
    setAttribute(link, "href", subjectHref(id));
  };
}

/**
 * The address of the page at which a session or an id is explained.
 * @param {string} id
 */
export function subjectHref(id) {
  return `#explain=${encoded(id)}`;
}

/**
 * One line per value: sessions with a port on both planes have two.
 * @param {HTMLElement} cell
 * @returns {(lines: readonly string[]) => void}
 */
export function makeLines(cell) {
  return (lines) => {
    const rows = setChildCount(cell, lines.length, () => el("div"));
    for (const [at, row] of rows.entries()) setText(row, lines[at]);
  };
}

/**
 * A button for the row's own order.
 * @template Row
 * @param {HTMLElement} cell
 * @param {{ text: string, label: (row: Row) => string, onPress: (row: Row) => void }} options
 * @returns {(row: Row) => void}
 */
function makeButton(cell, { text, label, onPress }) {
  /** @type {Row} */
  let shown;
  const button = el("button", { type: "button", class: "small" }, text);
  button.addEventListener("click", () => onPress(shown));
  cell.append(button);
  return (row) => {
    shown = row;
    setAttribute(button, "aria-label", label(row));
  };
}

/**
 * Plain text that changes.
 * @template Row
 * @param {(row: Row) => string} text
 * @returns {(cell: HTMLElement) => (row: Row) => void}
 */
export function textCell(text) {
  return (cell) => (row) => setText(cell, text(row));
}

/**
 * How long ago a row began.
 * @template {{ since_unix_ms: number }} Row
 * @param {() => number} now
 * @returns {import("./keyed-rows.js").Column<Row>}
 */
export function ageColumn(now) {
  return {
    label: "Age",
    class: "number",
    sort: ({ since_unix_ms }) => -since_unix_ms,
    make: textCell(({ since_unix_ms }) => duration(now() - since_unix_ms)),
  };
}

/**
 * The row's own order.
 * @template Row
 * @param {{ text: string, label: (row: Row) => string, onPress: (row: Row) => void }} options
 * @returns {import("./keyed-rows.js").Column<Row>}
 */
export function orderColumn(options) {
  return { label: "Order", class: "order", make: (cell) => makeButton(cell, options) };
}
