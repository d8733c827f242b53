/** Whether the page shows what is or what was: the word in the head, and a banner while it is lost. */
import { setText } from "./dom.js";
import { clock, duration } from "./format.js";

/** @typedef {import("./poller.js").Contact} Contact */

const WORDS = /** @type {const} */ ({
  connecting: "Connecting",
  live: "Live",
  paused: "Paused",
  lost: "No contact",
  unauthorized: "Signed out",
});

export class ContactView {
  #word;
  #banner;
  #words;
  #next;
  #page;
  /** @type {Contact} */
  #contact = { is: "connecting" };

  /**
   * @param {{
   *   word: HTMLElement,
   *   banner: HTMLElement,
   *   words: HTMLElement,
   *   next: HTMLElement,
   *   retry: HTMLButtonElement,
   *   page: HTMLElement,
   *   onRetry: () => void,
   * }} options `page` gets the attribute data-contact, which dims what is old.
   */
  constructor({ word, banner, words, next, retry, page, onRetry }) {
    this.#word = word;
    this.#banner = banner;
    this.#words = words;
    this.#next = next;
    this.#page = page;
    retry.addEventListener("click", onRetry);
    setInterval(() => this.#render(), 1000);
  }

  /** @param {Contact} contact */
  show(contact) {
    this.#contact = contact;
    this.#render();
  }

  #render() {
    const contact = this.#contact;
    setText(this.#word, WORDS[contact.is]);
    this.#word.dataset.contact = contact.is;
    this.#page.dataset.contact = contact.is;
    this.#banner.hidden = contact.is !== "lost";
    if (contact.is !== "lost") return;
    const { since_unix_ms, retry_at_unix_ms, reason } = contact;
    const left_ms = Math.max(0, retry_at_unix_ms - Date.now());
    setText(
      this.#words,
      `No contact with the gateway since ${clock(since_unix_ms)}: ${reason}. ` +
        "What you see is from then.",
    );
    // Not in the alert, which would be spoken anew each second.
    const next = left_ms === 0 ? "Trying now." : `Trying again in ${duration(left_ms + 999)}.`;
    setText(this.#next, next);
  }
}
