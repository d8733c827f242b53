/** What flows through the gateway in all, over the last minutes: the plot with its legend and words. */
import { setText } from "./dom.js";
import { clock, counted, rate } from "./format.js";
import { Plot } from "./plot.js";

/** @typedef {import("../answers.ts").HistoryAnswer} History */

const SECONDS = 300;
const PLANES = /** @type {const} */ ({
  all: ["zmq", "srt", "fastway"],
  zmq: ["zmq"],
  srt: ["srt"],
  fastway: ["fastway"],
});

export class Throughput {
  #plot;
  #words;
  #up;
  #down;
  #choices;
  /** @type {History | null} */
  #history = null;
  /** @type {keyof typeof PLANES} */
  #plane = "all";
  /** Of the chosen planes, bit/s, oldest first. @type {{ up: number[], down: number[] }} */
  #sums = { up: [], down: [] };

  /**
   * @param {{
   *   plot: HTMLElement,
   *   words: HTMLElement,
   *   up: HTMLElement,
   *   down: HTMLElement,
   *   choices: HTMLElement,
   * }} options `choices` holds the radio buttons of the planes.
   */
  constructor({ plot, words, up, down, choices }) {
    this.#words = words;
    this.#up = up;
    this.#down = down;
    this.#choices = choices;
    this.#plot = new Plot({
      root: plot,
      seconds: SECONDS,
      label: rate,
      say: (ago) => this.#say(ago),
    });
    choices.addEventListener("change", () => this.#onChoice());
  }

  /** @param {History} history */
  show(history) {
    this.#history = history;
    this.#render();
  }

  #onChoice() {
    const chosen = this.#choices.querySelector("input:checked");
    if (!(chosen instanceof HTMLInputElement) || !Object.hasOwn(PLANES, chosen.value)) return;
    this.#plane = /** @type {keyof typeof PLANES} */ (chosen.value);
    this.#render();
  }

  #render() {
    const history = this.#history;
    if (history === null) return;
    // A plane that is not served has no course.
    const planes = PLANES[this.#plane].flatMap((kind) => history[kind] ?? []);
    this.#sums = {
      up: summed(planes.map(({ up }) => up)),
      down: summed(planes.map((p) => p.down)),
    };
    setText(this.#up, rate(this.#sums.up.at(-1) ?? 0));
    setText(this.#down, rate(this.#sums.down.at(-1) ?? 0));
    this.#plot.show(this.#sums);
  }

  /** @param {number | null} ago Null: nothing is pointed at, and the whole is told. */
  #say(ago) {
    const { up, down } = this.#sums ?? { up: [], down: [] };
    const history = this.#history;
    let words = "No readings yet.";
    if (history !== null && up.length > 0) {
      const at = up.length - 1 - (ago ?? 0);
      words = ago === null
        ? `Peak of the last five minutes: ${rate(Math.max(...up))} up, ${
          rate(Math.max(...down))
        } down.`
        : `${clock(history.until_unix_ms - ago * history.interval_ms)}: ${rate(up[at])} up, ${
          rate(down[at])
        } down, ${counted(history.sessions.at(-1 - ago) ?? 0, "session")}.`;
    }
    setText(this.#words, words);
    return words;
  }
}

/** @param {readonly (readonly number[])[]} courses As long as each other. */
function summed(courses) {
  return (courses[0] ?? []).map((_, at) =>
    courses.reduce((sum, course) => sum + (course[at] ?? 0), 0)
  );
}
