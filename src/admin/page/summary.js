/** The figures at the top: what the gateway is doing now, in one look; and whether it drains. */
import { el, setText } from "./dom.js";
import { bytes, clock, count, counted, duration, milliseconds } from "./format.js";
import { planeName } from "./words.js";

/** @typedef {import("../answers.ts").GatewayAnswer} GatewayAnswer */

/** A loop that is busy for longer serves others late; worth a look. Milliseconds. */
const LAG_MS_MAX = 100;

export class Summary {
  #state;
  #banner;
  #drain;
  #undrain;
  #figures;

  /**
   * @param {{
   *   root: HTMLElement,
   *   state: HTMLElement,
   *   banner: HTMLElement,
   *   drain: HTMLButtonElement,
   *   undrain: HTMLButtonElement,
   * }} options
   */
  constructor({ root, state, banner, drain, undrain }) {
    this.#state = state;
    this.#banner = banner;
    this.#drain = drain;
    this.#undrain = undrain;
    this.#figures = {
      sessions: makeFigure(root, "Sessions"),
      registered: makeFigure(root, "Registered"),
      tcp: makeFigure(root, "TCP ports in use"),
      srt: makeFigure(root, "SRT ports in use"),
      carried: makeFigure(root, "Carried since the start"),
      workers: makeFigure(root, "Longest turn of a worker"),
    };
  }

  /** @param {GatewayAnswer} gateway */
  show(gateway) {
    const { state, drain, connections, port_state, bytes: carried } = gateway;
    setText(this.#state, state);
    this.#state.dataset.state = state;
    const { zmq, srt } = port_state;
    this.#figures.sessions(
      count(gateway.sessions),
      gateway.waiting_requests === 0
        ? "no request waits"
        : `${counted(gateway.waiting_requests, "request waits", "requests wait")}`,
    );
    this.#figures.registered(
      count(connections.registered),
      `${counted(connections.open, "connection")}, ${count(connections.unproven)} unproven`,
    );
    const [in_use, free, is_short] = portsInUse(zmq);
    this.#figures.tcp(in_use, free + standingPorts(gateway.rlx1), is_short);
    this.#figures.srt(...portsInUse(srt));
    const sum = carried.zmq.up + carried.zmq.down + carried.srt.up + carried.srt.down +
      carriedByClients(gateway.fastway);
    const age = duration(gateway.now_unix_ms - gateway.started_at_unix_ms);
    this.#figures.carried(bytes(sum), `up for ${age}`);
    this.#figures.workers(...workersWords(allWorkers(gateway)));
    this.#showDrain(gateway, drain);
  }

  /**
   * @param {GatewayAnswer} gateway
   * @param {GatewayAnswer["drain"]} drain
   */
  #showDrain({ state, sessions, now_unix_ms, fastway }, drain) {
    this.#drain.hidden = drain !== null;
    this.#drain.disabled = state !== "Running";
    this.#undrain.hidden = drain === null;
    this.#undrain.disabled = state !== "Draining";
    this.#banner.hidden = drain === null;
    if (drain === null) return;
    const left = drain.deadline_unix_ms === null
      ? "They may take as long as they like."
      : `Those left in ${duration(drain.deadline_unix_ms - now_unix_ms)} are ended.`;
    const virtual = fastway?.virtual ?? 0;
    const remain = [
      ...(sessions > 0 ? [counted(sessions, "session")] : []),
      ...(virtual > 0 ? [counted(virtual, "virtual connection")] : []),
    ].join(" and ");
    const remains = remain === ""
      ? "No sessions are left."
      : `${remain} ${sessions + virtual === 1 ? "remains" : "remain"}. ${left}`;
    setText(this.#banner, `Draining since ${clock(drain.since_unix_ms)}. ${remains}`);
  }
}

/**
 * @param {HTMLElement} root
 * @param {string} label
 * @returns {(value: string, note: string, trouble?: boolean) => void}
 */
export function makeFigure(root, label) {
  const value = el("dd", { class: "value" });
  const note = el("dd", { class: "note" });
  const box = el("div", { class: "figure" }, el("dt", {}, label), value, note);
  root.append(box);
  return (value_text, note_text, trouble = false) => {
    setText(value, value_text);
    setText(note, note_text);
    box.classList.toggle("trouble", trouble);
  };
}

/**
 * @param {GatewayAnswer["port_state"]["zmq"]} counts
 * @returns {[string, string, boolean]}
 */
function portsInUse({ total, idle, reserved, occupied, blocked }) {
  const words = [`${count(idle)} idle`];
  if (reserved > 0) words.push(`${count(reserved)} reserved`);
  if (blocked > 0) words.push(`${count(blocked)} blocked`);
  const in_use = `${count(reserved + occupied)} of ${count(total)}`;
  return [in_use, words.join(", "), blocked > 0 || (idle === 0 && total > 0)];
}

/**
 * The ports of relay_X v1, which are all TCP; nothing where it is not served.
 * @param {GatewayAnswer["rlx1"]} rlx1
 */
function standingPorts(rlx1) {
  if (rlx1 === undefined) return "";
  const { zmq, srt } = rlx1.ports;
  return `; v1: ${count(zmq.busy + srt.busy)} busy, ${count(zmq.ready + srt.ready)} ready of ${
    count(zmq.total + srt.total)
  }`;
}

/**
 * What clients of fastway have sent and got; what servers have is the same bytes once more.
 * @param {GatewayAnswer["fastway"]} fastway
 */
function carriedByClients(fastway) {
  return fastway === undefined
    ? 0
    : fastway.carried.client.bytes_in + fastway.carried.client.bytes_out;
}

/**
 * @typedef {Pick<GatewayAnswer["planes"][number], "workers_replaced" | "loop_lag_ms">
 *   & { kind: Parameters<typeof planeName>[0] }} Workers
 */

/**
 * @param {GatewayAnswer} gateway
 * @returns {Workers[]}
 */
function allWorkers({ planes, fastway }) {
  return fastway === undefined ? planes : [...planes, { kind: "fastway", ...fastway }];
}

/**
 * @param {Workers[]} planes
 * @returns {[string, string, boolean]}
 */
function workersWords(planes) {
  const hang = planes.some(({ loop_lag_ms }) => loop_lag_ms.includes(null));
  const replaced = planes.reduce((sum, plane) => sum + plane.workers_replaced, 0);
  const lags = planes.map(({ kind, loop_lag_ms }) => {
    const words = loop_lag_ms.map((lag) => lag === null ? "does not turn" : milliseconds(lag));
    return `${planeName(kind)} ${words.join(", ")}`;
  });
  const longest = Math.max(0, ...planes.flatMap(({ loop_lag_ms }) => loop_lag_ms.map(Number)));
  if (replaced > 0) lags.push(`${count(replaced)} replaced`);
  return [
    hang ? "hang" : milliseconds(longest),
    lags.join("; "),
    hang || longest > LAG_MS_MAX || replaced > 0,
  ];
}
