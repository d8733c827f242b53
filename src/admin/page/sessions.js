/** The table of sessions: both ends, what flows, how good the lines are, and what holds them back. */
import { ageColumn, fillId, makeLines, makeSubjectLink, orderColumn } from "./cells.js";
import { el, setChildCount, setText } from "./dom.js";
import { milliseconds, percent, rate } from "./format.js";
import { PagedTable } from "./paged-table.js";
import { heldBackBy, planeName } from "./words.js";

/**
 * @typedef {import("../answers.ts").SessionRow} Session
 * @typedef {import("../answers.ts").SessionPortRow} SessionPort
 * @typedef {import("./paged-table.js").Column<Session>} SessionColumn
 */

export class SessionsView {
  #table;
  #traces;
  #now;

  /**
   * @param {{
   *   root: HTMLElement,
   *   traces: import("./traces.js").Traces,
   *   now: () => number,
   *   onKick: (session: Session) => void,
   * }} options `now` is the gateway's clock, Unix ms.
   */
  constructor({ root, traces, now, onKick }) {
    this.#traces = traces;
    this.#now = now;
    this.#table = new PagedTable({
      root,
      name: "Sessions",
      one: "session",
      many: "sessions",
      empty: "No sessions. One begins when a client asks for a pairing and a server has room.",
      columns: this.#columns(onKick),
      cards_below_px: 1120,
      keyOf: ({ session_id }) => session_id,
      textOf: searchable,
      sort: { column: 8, descending: false },
    });
  }

  /** @param {Session[]} sessions */
  show(sessions) {
    this.#table.show(sessions);
  }

  /**
   * @param {(session: Session) => void} onKick
   * @returns {SessionColumn[]}
   */
  #columns(onKick) {
    return [
      {
        label: "Session",
        class: "mono",
        sort: ({ session_id }) => session_id,
        make: (cell) => {
          const fill = makeSubjectLink(cell);
          return ({ session_id }) => fill(session_id);
        },
      },
      { label: "Ends", class: "ends", sort: ({ client_id }) => client_id, make: makeEnds },
      { label: "Ports", sort: ({ ports }) => ports[0]?.port ?? 0, make: makePorts },
      figure("Up", (port) => port.bps_up, rate),
      figure("Down", (port) => port.bps_down, rate),
      {
        label: "Last minute",
        class: "trace-cell",
        make: (cell) => {
          const fill = this.#traces.makeLine(cell);
          return ({ session_id }) => fill(session_id);
        },
      },
      figure("RTT", (port) => port.rtt_ms, (ms) => ms > 0 ? milliseconds(ms) : "–"),
      {
        ...figure("Loss / resent", (port) => port.loss_pct, percent),
        make: perPort((port) =>
          port.kind === "zmq" && port.loss_pct === 0 && port.retrans_pct === 0
            ? "–"
            : `${percent(port.loss_pct)} / ${percent(port.retrans_pct)}`
        ),
      },
      ageColumn(() => this.#now()),
      { label: "Held back by", class: "held-back", make: makeHeldBack },
      orderColumn({
        text: "Kick",
        label: ({ session_id }) => `Kick session ${session_id.slice(0, 64)}`,
        onPress: onKick,
      }),
    ];
  }
}

/** @param {Session} session */
function searchable({
  session_id,
  request_id,
  client_id,
  server_id,
  trace_id,
  ports,
  protocol,
}) {
  const places = ports.map(({ kind, port, client_remote, server_remote }) =>
    `${planeName(kind, protocol)} ${port} ${client_remote ?? ""} ${server_remote ?? ""}`
  );
  return [session_id, request_id, client_id, server_id, trace_id ?? "", ...places].join(" ");
}

/**
 * A column of a figure that each port has; sorted by the sum or, of an average, the greater one.
 * @param {string} label
 * @param {(port: SessionPort) => number} of
 * @param {(value: number) => string} text
 * @returns {SessionColumn}
 */
function figure(label, of, text) {
  return {
    label,
    class: "number",
    lively: true,
    descending_first: true,
    sort: ({ ports }) => ports.reduce((sum, port) => sum + of(port), 0),
    make: perPort((port) => text(of(port))),
  };
}

/**
 * @param {(port: SessionPort) => string} text
 * @returns {(cell: HTMLElement) => (session: Session) => void}
 */
function perPort(text) {
  return (cell) => {
    const fill = makeLines(cell);
    return ({ ports }) => fill(ports.map(text));
  };
}

/**
 * @param {HTMLElement} cell
 * @returns {(session: Session) => void}
 */
function makePorts(cell) {
  const fill = makeLines(cell);
  return ({ ports, protocol }) =>
    fill(ports.map(({ kind, port, phase }) => {
      // A blank that does not break.
      const place = `${planeName(kind, protocol)}\u00a0${port}`;
      return phase === "occupied" ? place : `${place}, ${phase}`;
    }));
}

/**
 * Client above server, each with where it comes from.
 * @param {HTMLElement} cell
 * @returns {(session: Session) => void}
 */
function makeEnds(cell) {
  const ends = /** @type {const} */ (["client", "server"]).map((role) => {
    const line = el("div", { class: "end" }, el("span", { class: "role" }, role));
    const fill = makeSubjectLink(line);
    const remotes = el("span", { class: "remotes" });
    line.append(remotes);
    cell.append(line);
    return { role, fill, remotes };
  });
  return (session) => {
    for (const { role, fill, remotes } of ends) {
      fill(session[`${role}_id`]);
      const from = oneOfEachHost(session.ports.flatMap((port) => port[`${role}_remote`] ?? []));
      const places = setChildCount(remotes, from.length, () => el("span", { class: "remote" }));
      for (const [at, place] of places.entries()) fillId(place, from[at]);
    }
  };
}

/**
 * @param {HTMLElement} cell
 * @returns {(session: Session) => void}
 */
function makeHeldBack(cell) {
  return ({ ports }) => {
    const lines = setChildCount(cell, ports.length, () => el("div"));
    for (const [at, line] of lines.entries()) {
      const { text, trouble } = heldBackBy(ports[at]);
      setText(line, text);
      line.classList.toggle("trouble", trouble);
    }
  };
}

/**
 * An end comes to both its ports from one address as a rule, which is then said once.
 * @param {string[]} remotes
 */
function oneOfEachHost(remotes) {
  const hosts = remotes.map((remote) => remote.slice(0, remote.lastIndexOf(":")));
  return remotes.filter((_, at) => hosts.indexOf(hosts[at]) === at);
}
