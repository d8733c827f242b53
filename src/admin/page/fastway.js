/** fastway, where it is served: its figures, and the table of who is connected by it. */
import { ageColumn, fillId, makeLines, makeSubjectLink, orderColumn, textCell } from "./cells.js";
import { el, setText } from "./dom.js";
import { bytes, count, counted, rate } from "./format.js";
import { PagedTable } from "./paged-table.js";
import { makeFigure } from "./summary.js";
import { transportName } from "./words.js";

/**
 * @typedef {import("../answers.ts").EndpointRow} Endpoint
 * @typedef {NonNullable<import("../answers.ts").GatewayAnswer["fastway"]>} Figures
 * @typedef {import("./paged-table.js").Column<Endpoint>} EndpointColumn
 */

/** So many endpoints are fetched at once, and sorted and filtered here. */
const ENDPOINTS_MAX = 10_000;

export class FastwayView {
  #section;
  #link;
  #note;
  #figures;
  #table;
  #is_served = false;

  /**
   * @param {{
   *   section: HTMLElement,
   *   link: HTMLElement,
   *   figures: HTMLElement,
   *   note: HTMLElement,
   *   root: HTMLElement,
   *   now: () => number,
   *   onKick: (endpoint: Endpoint) => void,
   * }} options `section` and `link` are hidden where fastway is not served.
   */
  constructor({ section, link, figures, note, root, now, onKick }) {
    this.#section = section;
    this.#link = link;
    this.#note = note;
    this.#figures = {
      peers: makeFigure(figures, "Clients, servers"),
      virtual: makeFigure(figures, "Virtual connections"),
      refused: makeFigure(figures, "Dials refused"),
      clients: makeFigure(figures, "Messages of clients"),
      servers: makeFigure(figures, "Messages of servers"),
      memory: makeFigure(figures, "Waits for slow receivers"),
    };
    this.#table = new PagedTable({
      root,
      name: "Endpoints of fastway",
      one: "endpoint",
      many: "endpoints",
      empty: "Nobody is connected by fastway.",
      columns: columnsOf(now, onKick),
      cards_below_px: 980,
      keyOf: ({ endpoint }) => String(endpoint),
      textOf: ({ endpoint, side, id, remote, principal, transport, is_away }) =>
        `${endpoint} ${side} ${id} ${remote} ${principal} ${transport} ${is_away ? "away" : ""}`,
      sort: { column: AGE_COLUMN, descending: true },
    });
  }

  get is_served() {
    return this.#is_served;
  }

  get path() {
    return `fastway/endpoints?limit=${ENDPOINTS_MAX}`;
  }

  /** @param {Figures | undefined} figures Undefined: it is not served. */
  showFigures(figures) {
    this.#is_served = figures !== undefined;
    this.#section.hidden = !this.#is_served;
    this.#link.hidden = !this.#is_served;
    if (figures === undefined) return;
    const { ports, clients, servers, away, virtual, virtual_total, refused, tls } = figures;
    this.#figures.peers(
      `${count(clients)}, ${count(servers)}`,
      `ports ${ports.client} and ${ports.server}${tlsPorts(tls)}${
        away === 0 ? "" : `; ${counted(away, "session")} away`
      }`,
    );
    this.#figures.virtual(count(virtual), `${count(virtual_total)} since the start`);
    this.#figures.refused(
      count(refused.unknown + refused.limit + refused.draining),
      `${count(refused.unknown)} unknown, ${count(refused.limit)} over ClientMaxConn, ${
        count(refused.draining)
      } draining`,
    );
    for (const side of /** @type {const} */ (["client", "server"])) {
      const { messages_in, messages_out, bytes_in, bytes_out } = figures.carried[side];
      this.#figures[`${side}s`](
        count(messages_in + messages_out),
        `${count(messages_in)} in, ${bytes(bytes_in)}; ${count(messages_out)} out, ${
          bytes(bytes_out)
        }`,
      );
    }
    this.#figures.memory(
      bytes(figures.queue_bytes),
      `${counted(figures.queue_messages, "message")}; pool ${bytes(figures.pool_used_bytes)} of ${
        bytes(figures.pool_bytes)
      }`,
    );
  }

  /** @param {import("../answers.ts").EndpointsAnswer} answer */
  show({ endpoints, total }) {
    this.#table.show(endpoints);
    const is_cut = total > endpoints.length;
    this.#note.hidden = !is_cut;
    setText(
      this.#note,
      is_cut
        ? `These are the oldest ${count(endpoints.length)} of ${count(total)}; relayx endpoints ` +
          "shows all."
        : "",
    );
  }
}

/** @param {Figures["tls"]} tls */
function tlsPorts(tls) {
  if (tls === undefined) return "";
  const ports = [tls.ports.client, tls.ports.server].filter((port) => port !== undefined);
  return `, TLS ${ports.join(" and ")}`;
}

/** Of {@link columnsOf}. */
const AGE_COLUMN = 6;

/**
 * @param {() => number} now
 * @param {(endpoint: Endpoint) => void} onKick
 * @returns {EndpointColumn[]}
 */
function columnsOf(now, onKick) {
  return [
    {
      label: "Peer",
      // Ids have ten digits at most.
      sort: ({ side, id }) => `${side} ${String(id).padStart(10, "0")}`,
      make: makePeer,
    },
    { label: "From", class: "mono", sort: ({ remote }) => remote, make: makeFrom },
    {
      label: "Virtual",
      class: "number",
      lively: true,
      descending_first: true,
      sort: ({ virtual }) => virtual,
      make: textCell(({ virtual }) => count(virtual)),
    },
    figure("Sends", (one) => one.mps_in, (one) => one.bps_in),
    figure("Gets", (one) => one.mps_out, (one) => one.bps_out),
    {
      label: "Waiting",
      class: "number",
      lively: true,
      descending_first: true,
      sort: ({ queue_bytes }) => queue_bytes,
      make: textCell(({ queue_messages, queue_bytes }) =>
        queue_messages === 0 ? "–" : `${count(queue_messages)}, ${bytes(queue_bytes)}`
      ),
    },
    ageColumn(now),
    orderColumn({
      text: "Kick",
      label: ({ side, id, endpoint }) => `Kick ${side} ${id}, endpoint ${endpoint}`,
      onPress: onKick,
    }),
  ];
}

/**
 * Messages each second and what they come to, sorted by the latter.
 * @param {string} label
 * @param {(endpoint: Endpoint) => number} messages
 * @param {(endpoint: Endpoint) => number} bps
 * @returns {EndpointColumn}
 */
function figure(label, messages, bps) {
  return {
    label,
    class: "number",
    lively: true,
    descending_first: true,
    sort: bps,
    make: (cell) => {
      const fill = makeLines(cell);
      return (one) => fill(bps(one) === 0 ? ["–"] : [`${count(messages(one))}/s`, rate(bps(one))]);
    },
  };
}

/**
 * What it is by the protocol, and the number by which the gateway knows it.
 * @param {HTMLElement} cell
 * @returns {(endpoint: Endpoint) => void}
 */
function makePeer(cell) {
  const side = el("span");
  cell.append(side);
  const fill = makeSubjectLink(cell);
  const number = el("span", { class: "remotes" });
  cell.append(number);
  return (one) => {
    setText(side, `${one.side}\u00a0`);
    fill(String(one.id));
    setText(number, `endpoint ${one.endpoint}`);
  };
}

/**
 * The address, how its bytes travel, and its principal where it has brought a token.
 * @param {HTMLElement} cell
 * @returns {(endpoint: Endpoint) => void}
 */
function makeFrom(cell) {
  const remote = el("bdi");
  const more = el("span", { class: "remotes" });
  cell.append(remote, more);
  return ({ side, remote: from, transport, is_away, principal }) => {
    fillId(remote, from, 64);
    const own = principal === "" || principal === `fastway-${side}`;
    const parts = [
      transportName(transport),
      is_away ? "away, may come back" : "",
      own ? "" : `as ${principal}`,
    ];
    fillId(more, parts.filter((part) => part !== "").join(", "), 80);
  };
}
