/**
 * Asks the gateway again and again for what the page shows: each subject at its own pace, slower
 * where an answer is large, not at all while nobody looks at the page, and with growing pauses while
 * the gateway does not answer.
 */
import { RefusedError, UnreachableError } from "./api.js";

const ROUND_MS = 1000;
const RETRY_MS_MAX = 15_000;
/** The pause after an answer is at least so many times what it took to fetch and show. */
const REST_FACTOR = 8;
/** A subject that the gateway refuses is asked for again after this long. */
const REFUSED_MS = 5000;

/**
 * @typedef {object} Subject
 * @property {string} name
 * @property {() => string} path
 * @property {() => boolean} [is_there] Whether the gateway has it; absent: always.
 * @property {number} period_ms
 * @property {(answer: any) => void} show
 *
 * @typedef {{ is: "connecting" } | { is: "live" } | { is: "paused" } | { is: "unauthorized", reason: string }
 *   | { is: "lost", since_unix_ms: number, retry_at_unix_ms: number, reason: string }} Contact
 */

export class Poller {
  #api;
  #onContact;
  #onRefused;
  /** @type {(Subject & { due_at: number })[]} */
  #subjects;
  /** @type {Contact} */
  #contact = { is: "connecting" };
  #failures = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** Counts starts, so that a round of before one is dropped. */
  #run = 0;
  #asking = false;

  /**
   * @param {{
   *   api: import("./api.js").Api,
   *   subjects: Subject[],
   *   onContact: (contact: Contact) => void,
   *   onRefused: (name: string, refusal: RefusedError | null) => void,
   * }} options
   */
  constructor({ api, subjects, onContact, onRefused }) {
    this.#api = api;
    this.#onContact = onContact;
    this.#onRefused = onRefused;
    this.#subjects = subjects.map((subject) => ({ ...subject, due_at: 0 }));
    document.addEventListener("visibilitychange", () => this.#onVisibility());
  }

  /** Asks for everything now, and goes on from there. */
  start() {
    this.#run++;
    this.#failures = 0;
    this.#asking = false;
    for (const subject of this.#subjects) subject.due_at = 0;
    this.#set({ is: "connecting" });
    this.#schedule(0);
  }

  /**
   * Asks for these subjects at once, because an order has changed them.
   * @param {...string} names
   */
  refresh(...names) {
    for (const subject of this.#subjects) if (names.includes(subject.name)) subject.due_at = 0;
    if (this.#contact.is === "live" && !this.#asking) this.#schedule(0);
  }

  /** Tries again now instead of when the pause is over. */
  retry() {
    if (this.#contact.is === "lost" && !this.#asking) this.#schedule(0);
  }

  #onVisibility() {
    if (document.hidden) return;
    if (this.#contact.is === "paused") this.#set({ is: "connecting" });
    if (this.#contact.is !== "unauthorized" && !this.#asking) this.#schedule(0);
  }

  /** @param {number} ms */
  #schedule(ms) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#round(), ms);
  }

  async #round() {
    if (document.hidden) return this.#set({ is: "paused" });
    const run = this.#run;
    const now = performance.now();
    // While the gateway is away one question is enough to see that it is back.
    const due = this.#contact.is === "live"
      ? this.#subjects.filter(({ due_at, is_there }) => due_at <= now && (is_there?.() ?? true))
      : this.#subjects.slice(0, 1);
    this.#asking = true;
    const results = await Promise.allSettled(due.map((subject) => this.#ask(subject, run)));
    if (run !== this.#run) return;
    this.#asking = false;
    const errors = results.flatMap((result) => result.status === "rejected" ? result.reason : []);
    const unwelcome = errors.find(isUnwelcome);
    if (unwelcome) return this.#set({ is: "unauthorized", reason: unwelcome.message });
    const lost = errors.find((error) => error instanceof UnreachableError);
    if (lost) return this.#onLost(lost);
    const other = errors.find((error) => !(error instanceof RefusedError));
    if (other) throw other;
    this.#failures = 0;
    const was_live = this.#contact.is === "live";
    this.#set({ is: "live" });
    this.#schedule(was_live ? Math.max(0, ROUND_MS - (performance.now() - now)) : 0);
  }

  /**
   * @param {Subject & { due_at: number }} subject
   * @param {number} run
   */
  async #ask(subject, run) {
    const began_at = performance.now();
    try {
      const answer = await this.#api.get(subject.path());
      if (run !== this.#run) return;
      subject.show(answer);
      this.#onRefused(subject.name, null);
      const took_ms = performance.now() - began_at;
      // Half a round early is on time: rounds come once a second and a little late.
      subject.due_at = began_at +
        Math.max(subject.period_ms, REST_FACTOR * took_ms) - ROUND_MS / 2;
    } catch (error) {
      if (error instanceof RefusedError && !isUnwelcome(error) && run === this.#run) {
        this.#onRefused(subject.name, error);
        subject.due_at = began_at + REFUSED_MS;
      }
      throw error;
    }
  }

  /** @param {UnreachableError} error */
  #onLost({ message }) {
    const pause_ms = Math.min(RETRY_MS_MAX, ROUND_MS * 2 ** this.#failures++);
    for (const subject of this.#subjects) subject.due_at = 0;
    const now = Date.now();
    const since_unix_ms = this.#contact.is === "lost" ? this.#contact.since_unix_ms : now;
    this.#set({ is: "lost", since_unix_ms, retry_at_unix_ms: now + pause_ms, reason: message });
    this.#schedule(pause_ms);
  }

  /** @param {Contact} contact */
  #set(contact) {
    this.#contact = contact;
    this.#onContact(contact);
  }
}

/**
 * The token is missing or wrong, or too many wrong ones have come from here.
 * @param {unknown} error
 * @returns {error is RefusedError}
 */
function isUnwelcome(error) {
  return error instanceof RefusedError && (error.status === 401 || error.status === 429);
}
