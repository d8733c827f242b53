/** Asks for the token where the gateway wants one. It is kept until the tab is closed. */
import { setText } from "./dom.js";

export class Login {
  #view;
  #input;
  #error;
  #out;
  #others;

  /**
   * @param {{
   *   view: HTMLElement,
   *   form: HTMLFormElement,
   *   input: HTMLInputElement,
   *   error: HTMLElement,
   *   out: HTMLButtonElement,
   *   others: HTMLElement[],
   *   onToken: (token: string) => void,
   * }} options `others` are away while the token is asked for; `onToken` gets "" on signing out.
   */
  constructor({ view, form, input, error, out, others, onToken }) {
    this.#view = view;
    this.#input = input;
    this.#error = error;
    this.#out = out;
    this.#others = others;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = input.value.trim();
      if (token !== "") onToken(token);
    });
    out.addEventListener("click", () => onToken(""));
  }

  /** @param {{ refusal: string }} state Why the token that was given is not taken; "" is none given. */
  ask({ refusal }) {
    this.#input.value = "";
    setText(this.#error, refusal === "" ? "" : `Not taken: ${refusal}.`);
    this.#toggle(true);
    this.#input.focus();
  }

  /** @param {{ has_token: boolean }} state */
  done({ has_token }) {
    this.#out.hidden = !has_token;
    if (this.#view.hidden) return;
    this.#input.value = "";
    this.#toggle(false);
    document.getElementById("main")?.focus({ preventScroll: true });
  }

  /** @param {boolean} asking */
  #toggle(asking) {
    this.#view.hidden = !asking;
    for (const other of this.#others) other.hidden = asking;
  }
}
