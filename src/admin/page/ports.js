/** The two pools of ports: a legend with numbers, the map, and what a port is doing in words. */
import { drawPort, inkOf, prepare } from "./port-drawing.js";
import { el, setText } from "./dom.js";
import { count, duration, legible } from "./format.js";
import { PortMap } from "./port-map.js";
import { planeName, PORT_STATES } from "./words.js";

/**
 * @typedef {import("../answers.ts").PortMap} Pool
 * @typedef {import("../answers.ts").SessionRow} Session
 */

/** Runs of ports that the list of blocked ones names. */
const RUNS_SHOWN_MAX = 8;

export class PoolView {
  #kind;
  #now;
  #heading = el("h3");
  #note = el("p", { class: "empty" });
  #blocked = el("p", { class: "blocked-ports" });
  #map;
  #legend;
  /** @type {Pool | null} */
  #pool = null;
  /** @type {Map<number, Session>} */
  #sessions = new Map();

  /**
   * @param {{
   *   root: HTMLElement,
   *   kind: "zmq" | "srt",
   *   now: () => number,
   *   onPick: (session_id: string) => void,
   * }} options
   */
  constructor({ root, kind, now, onPick }) {
    this.#kind = kind;
    this.#now = now;
    this.#legend = PORT_STATES.map(({ letter, name, means }) => {
      const swatch = el("canvas", { class: "swatch", "aria-hidden": "true" });
      const value = el("strong");
      const item = el("li", { title: means }, swatch, value, ` ${name}`);
      return { letter, swatch, value, item };
    });
    const items = this.#legend.map(({ item }) => item);
    root.append(this.#heading, el("ul", { class: "legend" }, ...items), this.#note);
    this.#map = new PortMap({
      root,
      name: `${planeName(kind)} ports`,
      numberOf: (cell) => String(this.#numberOf(cell) ?? "?"),
      tell: (cell) => this.#tell(cell),
      onPick: (cell) => {
        const found = this.#sessionAt(cell);
        if (found) onPick(found.session_id);
      },
    });
    root.append(this.#blocked);
  }

  /** @param {Pool} pool */
  show(pool) {
    this.#pool = pool;
    const { first, last, shared, states } = pool;
    const name = planeName(this.#kind);
    const range = shared ? `${count(last - first + 1)} places on shared ports` : `${first}–${last}`;
    setText(this.#heading, `${name} ${range}`);
    const counts = countLetters(states);
    for (const { letter, value, item } of this.#legend) {
      setText(value, count(counts.get(letter) ?? 0));
      // Leaving ports are there only after the range was made smaller.
      item.hidden = letter === "l" && !counts.has("l");
    }
    setText(this.#note, shared ? "Sessions share ports here; each cell is a place for one." : "");
    this.#note.hidden = !shared;
    const blocked = runsOf(pool, "b");
    setText(this.#blocked, blocked === "" ? "" : `Blocked: ${blocked}.`);
    this.#map.show(states);
  }

  /** @param {readonly Session[]} sessions */
  showSessions(sessions) {
    this.#sessions.clear();
    for (const session of sessions) {
      for (const port of session.ports) {
        if (port.kind === this.#kind) this.#sessions.set(port.port, session);
      }
    }
  }

  /** Also to be called when the page's colours change. */
  draw() {
    this.#map.draw();
    for (const { letter, swatch } of this.#legend) {
      const context = prepare(swatch, 14, 14);
      drawPort(context, { x: 0, y: 0, width: 14, height: 14 }, letter, inkOf(swatch));
    }
  }

  /**
   * The port of a cell. Behind the range come the ports that leave it, which are those that sessions
   * have outside; places on shared ports are just counted.
   * @param {number} cell
   * @returns {number | undefined}
   */
  #numberOf(cell) {
    if (this.#pool === null) return undefined;
    const { first, last, shared } = this.#pool;
    if (shared) return cell + 1;
    if (first + cell <= last) return first + cell;
    const leaving = [...this.#sessions.keys()].filter((port) => port < first || port > last);
    return leaving.sort((a, b) => a - b)[first + cell - last - 1];
  }

  /** @param {number} cell */
  #sessionAt(cell) {
    // Sessions on shared ports name the port, and not their place on it.
    if (this.#pool?.shared) return undefined;
    return this.#sessions.get(this.#numberOf(cell) ?? 0);
  }

  /** @param {number} cell */
  #tell(cell) {
    const letter = this.#pool?.states[cell];
    const state = PORT_STATES.find((one) => one.letter === letter);
    if (state === undefined) return "";
    const place = `${this.#pool?.shared ? "Place" : "Port"} ${this.#numberOf(cell) ?? "?"}`;
    const session = this.#sessionAt(cell);
    if (session === undefined) return `${place}: ${state.name}, ${state.means}.`;
    const { session_id, client_id, server_id, since_unix_ms } = session;
    const age = duration(this.#now() - since_unix_ms);
    return `${place}: ${state.name} by session ${legible(session_id)}, ` +
      `${legible(client_id)} with ${legible(server_id)}, ${age} old.`;
  }
}

/** @param {string} states */
function countLetters(states) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const letter of states) counts.set(letter, (counts.get(letter) ?? 0) + 1);
  return counts;
}

/**
 * The ports in a state, runs as first–last.
 * @param {Pool} pool
 * @param {string} letter
 */
export function runsOf({ first, states }, letter) {
  const runs = [];
  for (let at = states.indexOf(letter); at >= 0; at = states.indexOf(letter, at)) {
    let end = at;
    while (states[end + 1] === letter) end++;
    runs.push(end === at ? `${first + at}` : `${first + at}–${first + end}`);
    at = end + 1;
  }
  const more = runs.length - RUNS_SHOWN_MAX;
  const shown = runs.slice(0, RUNS_SHOWN_MAX).join(", ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}
