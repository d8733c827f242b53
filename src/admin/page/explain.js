/**
 * What is known of one session or one id: the gateway's sentences, what it does now, and the events
 * that are recorded. It has an address of its own (`#explain=…`), so it can be kept and passed on.
 */
import { encoded, RefusedError, UnreachableError } from "./api.js";
import { fillId, subjectHref } from "./cells.js";
import { keepFocusInside, openModal, whenClosed } from "./dialog.js";
import { el, setText } from "./dom.js";
import { clock, counted, ID_LENGTH_MAX_ALONE, legible } from "./format.js";

/**
 * @typedef {import("../answers.ts").ExplainAnswer} ExplainAnswer
 * @typedef {import("../answers.ts").EventRow} LogEvent
 */

const REFRESH_MS = 3000;
const EVENTS_SHOWN_MAX = 100;

const IS = /** @type {const} */ ({
  session: "Session",
  client: "Client",
  server: "Server",
  unknown: "Unknown",
});

export class ExplainView {
  #api;
  #dialog;
  #actionsOf;
  #title = el("h2", { id: "explain-title" });
  #sentences = el("ol", { class: "sentences" });
  #error = el("p", { class: "error", role: "alert" });
  #actions = el("div", { class: "dialog-buttons" });
  #events = el("ol", { class: "events" });
  #events_head = el("h3");
  #subject = "";
  /** What is on the page, so that what has not changed is left alone. */
  #shown = "";
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {{
   *   api: import("./api.js").Api,
   *   dialog: HTMLDialogElement,
   *   actionsOf: (subject: string) => { text: string, onPress: () => void }[],
   * }} options `actionsOf`: the orders that fit the subject as it is now.
   */
  constructor({ api, dialog, actionsOf }) {
    this.#api = api;
    this.#dialog = dialog;
    this.#actionsOf = actionsOf;
    const close = el("button", { type: "button", class: "close" }, "Close");
    close.addEventListener("click", () => dialog.close());
    dialog.setAttribute("aria-labelledby", this.#title.id);
    const head = el("div", { class: "dialog-head" }, this.#title, close);
    const body = el("div", { class: "dialog-body" }, this.#error, this.#sentences, this.#actions);
    body.append(this.#events_head, this.#events);
    dialog.append(head, body);
    keepFocusInside(dialog);
    whenClosed(dialog, () => this.#onClosed());
    globalThis.addEventListener("hashchange", () => this.follow());
  }

  /** Opens what the page's address names, if it names anything. */
  follow() {
    const subject = subjectOf(location.hash);
    if (subject === "") return this.#dialog.close();
    if (subject === this.#subject && this.#dialog.open) return;
    this.#subject = subject;
    this.#shown = "";
    setText(this.#title, legible(subject, ID_LENGTH_MAX_ALONE));
    this.#sentences.replaceChildren();
    this.#events.replaceChildren();
    setText(this.#events_head, "");
    setText(this.#error, "");
    this.#showActions();
    if (!this.#dialog.open) openModal(this.#dialog);
    void this.#ask();
  }

  /** @param {string} subject */
  open(subject) {
    location.hash = subjectHref(subject);
  }

  #onClosed() {
    clearTimeout(this.#timer);
    this.#subject = "";
    // Without the page's jumping to its top, which an empty hash would do.
    if (subjectOf(location.hash) !== "") {
      history.pushState(null, "", location.pathname + location.search);
    }
  }

  async #ask() {
    clearTimeout(this.#timer);
    const subject = this.#subject;
    try {
      /** @type {ExplainAnswer} */
      const answer = await this.#api.get(`explain?subject=${encoded(subject)}`);
      if (subject !== this.#subject) return;
      setText(this.#error, "");
      this.#show(answer);
    } catch (error) {
      if (!(error instanceof RefusedError || error instanceof UnreachableError)) throw error;
      if (subject !== this.#subject) return;
      setText(this.#error, `Not to be had now: ${error.message}.`);
    }
    this.#timer = setTimeout(() => void this.#ask(), REFRESH_MS);
  }

  /** @param {ExplainAnswer} answer */
  #show(answer) {
    this.#showActions();
    const text = JSON.stringify(answer);
    if (text === this.#shown) return;
    this.#shown = text;
    const { subject, is, sentences, events } = answer;
    fillId(this.#title, `${IS[is]} ${subject}`, ID_LENGTH_MAX_ALONE);
    this.#sentences.replaceChildren(
      ...sentences.map((sentence) => el("li", { dir: "auto" }, legible(sentence, 2000))),
    );
    const shown = events.slice(-EVENTS_SHOWN_MAX);
    const all = counted(events.length, "recorded event");
    const words = shown.length < events.length ? `The last ${shown.length} of ${all}` : all;
    setText(this.#events_head, words);
    this.#events.replaceChildren(...shown.map(eventItem));
  }

  #showActions() {
    const actions = this.#subject === "" ? [] : this.#actionsOf(this.#subject);
    const texts = actions.map(({ text }) => text).join("\n");
    if (this.#actions.dataset.texts === texts) return;
    this.#actions.dataset.texts = texts;
    this.#actions.replaceChildren(...actions.map(({ text, onPress }) => {
      const button = el("button", { type: "button", class: "danger" }, text);
      button.addEventListener("click", onPress);
      return button;
    }));
  }
}

/** @param {string} hash */
function subjectOf(hash) {
  const [, text = ""] = /^#explain=(.*)$/s.exec(hash) ?? [];
  try {
    return decodeURIComponent(text);
  } catch {
    // Somebody has cut the address in the middle of a character.
    return "";
  }
}

/** @param {LogEvent} event */
function eventItem({ time_unix_ms, level, status, message, fields }) {
  const iso = new Date(time_unix_ms).toISOString();
  const details = Object.entries(fields)
    .map(([name, value]) => `${name}=${typeof value === "string" ? value : JSON.stringify(value)}`);
  return el(
    "li",
    { class: `level-${level}` },
    el("time", { datetime: iso, title: iso }, clock(time_unix_ms)),
    el("strong", { class: "word" }, status || level),
    el("span", { dir: "auto" }, legible(message, 400)),
    el("span", { class: "fields", dir: "auto" }, legible(details.join(" "), 600)),
  );
}
