/**
 * Dialogs: the browser's own modal one, with focus kept inside and given back to where it came from,
 * closed by Escape; and the one that asks before an order is given.
 */
import { RefusedError, UnreachableError } from "./api.js";
import { el, setText } from "./dom.js";

const FOCUSABLE = "a[href], button:not(:disabled), input:not(:disabled), select:not(:disabled)";

/**
 * The browser lets Tab leave a modal dialog for its own bars; here it goes round inside.
 * @param {HTMLDialogElement} dialog
 */
export function keepFocusInside(dialog) {
  dialog.addEventListener("keydown", (event) => {
    if (event.key !== "Tab") return;
    const stops = /** @type {HTMLElement[]} */ ([...dialog.querySelectorAll(FOCUSABLE)])
      .filter((stop) => stop.offsetParent !== null);
    const edge = event.shiftKey ? stops[0] : stops.at(-1);
    const other = event.shiftKey ? stops.at(-1) : stops[0];
    if (document.activeElement !== edge || other === undefined) return;
    event.preventDefault();
    other.focus();
  });
}

/**
 * Calls back when it has been closed. The browser tells of it a little later, when a quick reader may
 * have opened it again already; then it is not closed.
 * @param {HTMLDialogElement} dialog
 * @param {() => void} onClosed
 */
export function whenClosed(dialog, onClosed) {
  dialog.addEventListener("close", () => {
    if (!dialog.open) onClosed();
  });
}

/**
 * Opens it as a modal; when it closes, focus goes back to where it was, which the browser does, or to
 * the page's content where that is gone.
 * @param {HTMLDialogElement} dialog
 */
export function openModal(dialog) {
  const before = document.activeElement;
  dialog.showModal();
  const onClose = () => {
    if (dialog.open) return;
    dialog.removeEventListener("close", onClose);
    if (document.querySelector("dialog[open]") !== null) return;
    const lost = document.activeElement === null || document.activeElement === document.body;
    if (!lost) return;
    const back = before instanceof HTMLElement && before.isConnected && before !== document.body;
    const place = back ? before : document.getElementById("main");
    place?.focus({ preventScroll: true });
  };
  dialog.addEventListener("close", onClose);
}

/**
 * @typedef {object} Question
 * @property {string} title What it asks, as a question.
 * @property {string[]} sentences What will happen.
 * @property {HTMLElement[]} [fields]
 * @property {string} order The word on the button that does it.
 * @property {boolean} [harmless] It ends nothing, so the button is no warning.
 * @property {() => Promise<string>} run Gives the order; the answer says what has happened.
 */

export class Confirmation {
  #dialog;
  #onTold;
  #title = el("h2", { id: "confirmation-title" });
  #body = el("div", { class: "dialog-body", id: "confirmation-body" });
  #error = el("p", { class: "error", role: "alert" });
  #cancel = el("button", { type: "button" }, "Cancel");
  #confirm = el("button", { type: "submit" });
  /** @type {Question | null} */
  #question = null;
  #running = false;

  /**
   * @param {{ dialog: HTMLDialogElement, onTold: (told: string) => void }} options
   */
  constructor({ dialog, onTold }) {
    this.#dialog = dialog;
    this.#onTold = onTold;
    const buttons = el("div", { class: "dialog-buttons" }, this.#cancel, this.#confirm);
    const form = el("form", {}, this.#title, this.#body, this.#error, buttons);
    dialog.append(form);
    dialog.setAttribute("role", "alertdialog");
    dialog.setAttribute("aria-labelledby", this.#title.id);
    dialog.setAttribute("aria-describedby", this.#body.id);
    keepFocusInside(dialog);
    this.#cancel.addEventListener("click", () => dialog.close());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#run();
    });
    dialog.addEventListener("cancel", (event) => {
      // What has been sent cannot be taken back, and its outcome is worth seeing.
      if (this.#running) event.preventDefault();
    });
    whenClosed(dialog, () => this.#question = null);
  }

  /** @param {Question} question */
  ask(question) {
    this.#question = question;
    // What an order before this one has done is read by now.
    this.#onTold("");
    setText(this.#title, question.title);
    const sentences = question.sentences.map((sentence) => el("p", {}, sentence));
    this.#body.replaceChildren(...sentences, ...question.fields ?? []);
    this.#confirm.textContent = question.order;
    this.#confirm.className = question.harmless ? "primary" : "danger";
    setText(this.#error, "");
    this.#setRunning(false);
    openModal(this.#dialog);
    // The harmless answer is the one that Enter gives.
    if (question.fields === undefined) this.#cancel.focus();
  }

  async #run() {
    const question = this.#question;
    if (question === null || this.#running) return;
    this.#setRunning(true);
    setText(this.#error, "");
    try {
      const told = await question.run();
      this.#setRunning(false);
      this.#dialog.close();
      this.#onTold(told);
    } catch (error) {
      if (!(error instanceof RefusedError || error instanceof UnreachableError)) throw error;
      this.#setRunning(false);
      setText(this.#error, `Not done: ${reasonOf(error)}`);
      this.#cancel.focus();
    }
  }

  /** @param {boolean} running */
  #setRunning(running) {
    this.#running = running;
    this.#confirm.disabled = running;
    this.#cancel.disabled = running;
  }
}

/**
 * @param {RefusedError | UnreachableError} error
 */
function reasonOf(error) {
  if (error instanceof UnreachableError) {
    return `${error.message}. Whether it arrived is not known.`;
  }
  if (error.status === 401) return "the gateway wants a token; reload the page and sign in.";
  if (error.status === 403) return `this token may look but not give orders (${error.message}).`;
  if (error.status === 404) return "it is gone already.";
  return `${error.message}.`;
}
