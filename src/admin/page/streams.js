/** The named streams: who publishes, and who views, each viewer in a line below. */
import { fillId, textCell } from "./cells.js";
import { el, setAttribute, setChildCount, setText } from "./dom.js";
import { bytes, count, counted, duration, milliseconds, percent, rate } from "./format.js";
import { PagedTable } from "./paged-table.js";
import { streamHeldBackBy } from "./words.js";

/**
 * @typedef {import("../../data/plane.ts").StreamListing} Stream
 * @typedef {Stream["viewers"][number]} Viewer
 */

/** The lines of one stream; there may be ten thousand viewers. */
const VIEWERS_SHOWN_MAX = 50;
const BITS_PER_MBIT = 1_000_000;

export class StreamsView {
  #table;

  /** @param {{ root: HTMLElement, now: () => number }} options */
  constructor({ root, now }) {
    /** @type {import("./paged-table.js").Column<Stream>[]} */
    const columns = [
      { label: "Stream", class: "name", sort: ({ name }) => name, make: makeName },
      {
        label: "Publisher",
        sort: ({ publisher }) => publisher?.remote ?? "",
        make: (cell) => {
          const who = el("bdi");
          const since = el("span", { class: "remotes" });
          cell.append(who, since);
          return ({ publisher }) => {
            fillId(who, publisher === null ? "nobody" : endName(publisher));
            setText(since, publisher === null ? "" : duration(now() - publisher.since_unix_ms));
          };
        },
      },
      {
        label: "Rate",
        class: "number",
        lively: true,
        descending_first: true,
        sort: ({ publisher }) => publisher?.leg.mbps ?? -1,
        make: textCell(({ publisher }) => publisher === null ? "–" : legRate(publisher.leg)),
      },
      {
        label: "RTT, loss",
        class: "number",
        make: textCell(({ publisher }) => publisher === null ? "–" : legQuality(publisher.leg)),
      },
      {
        label: "Viewers",
        class: "viewers",
        lively: true,
        descending_first: true,
        sort: ({ viewers }) => viewers.length,
        make: (cell) => makeViewers(cell, now),
      },
      {
        label: "In, out",
        class: "number",
        descending_first: true,
        sort: ({ bytes_in }) => bytes_in,
        make: textCell(({ bytes_in, bytes_out }) => `${bytes(bytes_in)}, ${bytes(bytes_out)}`),
      },
    ];
    this.#table = new PagedTable({
      root,
      name: "Named streams",
      one: "stream",
      many: "streams",
      empty: "No streams are configured; the section streams of the configuration names them.",
      columns,
      cards_below_px: 640,
      keyOf: ({ name }) => name,
      textOf: ({ name, publisher, viewers }) =>
        [name, publisher === null ? "nobody" : endName(publisher), ...viewers.map(endName)].join(
          " ",
        ),
      sort: { column: 0, descending: false },
      page_rows: 10,
    });
  }

  /** @param {Stream[]} streams */
  show(streams) {
    this.#table.show(streams);
  }
}

/**
 * @param {HTMLElement} cell
 * @returns {(stream: Stream) => void}
 */
function makeName(cell) {
  const name = el("strong");
  const state = el("span", { class: "remotes" });
  cell.append(name, state);
  return (stream) => {
    fillId(name, stream.name);
    setText(state, stream.publisher === null ? "no publisher" : "on air");
  };
}

/** @param {{ remote: string, user: string }} end */
function endName({ remote, user }) {
  return user === "" ? remote : `${user}, ${remote}`;
}

/** @param {Viewer["leg"]} leg */
function legRate({ mbps }) {
  return rate(mbps * BITS_PER_MBIT);
}

/** @param {Viewer["leg"]} leg */
function legQuality({ rtt_ms, loss_pct }) {
  return `${milliseconds(rtt_ms)}, ${percent(loss_pct)}`;
}

/**
 * Their number, which opens to a line for each.
 * @param {HTMLElement} cell
 * @param {() => number} now
 * @returns {(stream: Stream) => void}
 */
function makeViewers(cell, now) {
  const summary = el("summary");
  const list = el("ul", { class: "viewer-list" });
  const details = el("details", {}, summary, list);
  cell.append(details);
  /** @type {Stream | null} */
  let shown = null;
  const fill = () => {
    if (shown === null || !details.open) return list.replaceChildren();
    const { viewers } = shown;
    const shown_count = Math.min(VIEWERS_SHOWN_MAX, viewers.length);
    const more = viewers.length - shown_count;
    const lines = setChildCount(list, shown_count + (more > 0 ? 1 : 0), () => el("li"));
    for (const [at, viewer] of viewers.slice(0, shown_count).entries()) {
      fillId(lines[at], viewerWords(viewer, now()), 300);
    }
    if (more > 0) setText(lines[shown_count], `and ${counted(more, "other viewer")}`);
  };
  details.addEventListener("toggle", fill);
  return (stream) => {
    shown = stream;
    const { name, viewers, viewers_max } = stream;
    setText(summary, `${count(viewers.length)} of ${count(viewers_max)}`);
    setAttribute(summary, "aria-label", `Viewers of ${name}: ${summary.textContent}`);
    fill();
  };
}

/**
 * @param {Viewer} viewer
 * @param {number} now
 */
function viewerWords(viewer, now) {
  const { leg, skipped, since_unix_ms, bottleneck } = viewer;
  return [
    `${endName(viewer)}: ${legRate(leg)}, ${legQuality(leg)}`,
    `${duration(now - since_unix_ms)}`,
    skipped === 0 ? "nothing skipped" : counted(skipped, "message skipped", "messages skipped"),
    `held back by ${streamHeldBackBy(bottleneck)}`,
  ].join("; ");
}
