/**
 * Who was turned away lately, and why: the log's lines whose word is one of a refusal. Lines that say
 * the same of the same address stand once, with their number.
 */
import { fillId, subjectHref } from "./cells.js";
import { el, setAttribute, setChildCount, setText } from "./dom.js";
import { clock, counted, duration, legible } from "./format.js";
import { refusalMeaning, REFUSALS } from "./words.js";

/** @typedef {import("../answers.ts").EventRow} LogEvent */

/** Kept by the page and asked for at once; older ones are found by "explain" and in the log. */
const EVENTS_MAX = 300;
const GROUPS_SHOWN_MAX = 30;

/**
 * @typedef {object} Group
 * @property {string} key
 * @property {LogEvent} last
 * @property {number} count
 */

export class RefusalsView {
  #list = el("ol", { class: "refusals" });
  #empty = el("p", { class: "empty" }, "Nobody was turned away lately.");
  #more = el("p", { class: "more" });
  #choice = el("select", { "aria-label": "Show refusals by reason" });
  #now;
  /** @type {number | null} */
  #after = null;
  /** Oldest first. @type {LogEvent[]} */
  #events = [];
  /** @type {LogEvent | null} */
  #newest_shown = null;
  #wanted = "";

  /** @param {{ root: HTMLElement, now: () => number }} options */
  constructor({ root, now }) {
    this.#now = now;
    const bar = el("div", { class: "table-bar" }, this.#choice);
    root.append(bar, this.#list, this.#empty, this.#more);
    this.#choice.addEventListener("change", () => {
      this.#wanted = this.#choice.value;
      this.#render();
    });
    this.#render();
  }

  /** How many are kept. */
  get size() {
    return this.#events.length;
  }

  get path() {
    const after = this.#after === null ? "" : `&after=${this.#after}`;
    return `events?status=${Object.keys(REFUSALS).join(",")}&limit=${EVENTS_MAX}${after}`;
  }

  /** @param {import("../answers.ts").EventsAnswer} answer */
  show({ events, last_seq }) {
    this.#after = last_seq;
    this.#events = [...this.#events, ...events.filter(isNews)].slice(-EVENTS_MAX);
    this.#render();
  }

  #render() {
    this.#renderChoice();
    const groups = grouped(
      this.#wanted === ""
        ? this.#events
        : this.#events.filter(({ status }) => status === this.#wanted),
    );
    const shown = groups.slice(0, GROUPS_SHOWN_MAX);
    this.#empty.hidden = groups.length > 0;
    const rest = groups.length - shown.length;
    setText(this.#more, rest > 0 ? `and ${counted(rest, "older kind")}` : "");
    const items = setChildCount(this.#list, shown.length, makeItem);
    for (const [at, item] of items.entries()) fillItem(item, shown[at], this.#now());
  }

  /** All reasons that there are, with their numbers, most frequent first. */
  #renderChoice() {
    const newest = this.#events.at(-1) ?? null;
    if (newest === this.#newest_shown && this.#choice.options.length > 0) return;
    this.#newest_shown = newest;
    /** @type {Map<string, number>} */
    const counts = new Map();
    for (const { status } of this.#events) counts.set(status, (counts.get(status) ?? 0) + 1);
    const words = [...counts].sort((a, b) => b[1] - a[1]);
    const options = [
      el("option", { value: "" }, `All reasons (${this.#events.length})`),
      ...words.map(([word, times]) => el("option", { value: word }, `${word} (${times})`)),
    ];
    this.#choice.replaceChildren(...options);
    if (!counts.has(this.#wanted)) this.#wanted = "";
    this.#choice.value = this.#wanted;
    this.#choice.hidden = this.#events.length === 0;
  }
}

/**
 * Every visit of this page begins with a question without a token, to learn whether one is wanted.
 * @param {LogEvent} event
 */
function isNews({ status, fields }) {
  return status !== "admin_refused" || fields.found !== "no token";
}

/**
 * Newest first.
 * @param {readonly LogEvent[]} events
 * @returns {Group[]}
 */
function grouped(events) {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const event of events.toReversed()) {
    const key = [event.status, host(event), event.fields.id, event.fields.limit].join(" ");
    const group = groups.get(key);
    if (group) group.count++;
    else groups.set(key, { key, last: event, count: 1 });
  }
  return [...groups.values()];
}

/** Without the port, which is another one each time. @param {LogEvent} event */
function host({ fields }) {
  return from(fields).replace(/:\d+$/, "");
}

/** The address, or who was banned. @param {LogEvent["fields"]} fields */
function from({ remote, address, subject }) {
  return text(remote ?? address ?? subject);
}

/** @param {unknown} value */
function text(value) {
  return typeof value === "string" ? value : value === undefined ? "" : JSON.stringify(value);
}

function makeItem() {
  const times = el("span", { class: "times" });
  const head = el(
    "p",
    { class: "refusal-head" },
    el("time"),
    el("strong", { class: "word" }),
    times,
    el("span", { class: "who" }),
  );
  return el("li", {}, head, el("p", { class: "means" }), el("p", { class: "detail" }));
}

/**
 * @param {HTMLLIElement} item
 * @param {Group} group
 * @param {number} now
 */
function fillItem(item, { last, count }, now) {
  const [head, means, more] = item.children;
  const [time, word, times, who] = head.children;
  setText(time, clock(last.time_unix_ms));
  setAttribute(time, "datetime", new Date(last.time_unix_ms).toISOString());
  setAttribute(time, "title", `${duration(now - last.time_unix_ms)} ago`);
  setText(word, last.status);
  setText(times, count > 1 ? `${count} times` : "");
  fillWho(/** @type {HTMLElement} */ (who), last);
  setText(means, refusalMeaning(last.status));
  const { detail, found, error, code, limit, reason } = last.fields;
  const parts = [
    detail,
    found,
    error,
    reason,
    limit && `limit: ${text(limit)}`,
    code && `code ${text(code)}`,
  ];
  const words = [last.message, ...parts.filter(Boolean).map(text)];
  fillId(/** @type {HTMLElement} */ (more), words.join(" · "), 240);
}

/**
 * The address, and links to what is known of the session and the ids that the line names.
 * @param {HTMLElement} who
 * @param {LogEvent} event
 */
function fillWho(who, { fields }) {
  const subjects = [fields.session_id, fields.id, fields.client_id, fields.server_id]
    .filter((subject) => typeof subject === "string" && subject !== "")
    .map(text);
  const unique = [...new Set(subjects)];
  const [address, ...links] = setChildCount(
    who,
    1 + unique.length,
    () => who.childElementCount === 0 ? el("bdi") : el("a", { class: "id", dir: "auto" }),
  );
  fillId(address, from(fields));
  for (const [at, link] of links.entries()) {
    fillId(/** @type {HTMLElement} */ (link), legible(unique[at]));
    setAttribute(link, "href", subjectHref(unique[at]));
  }
}
