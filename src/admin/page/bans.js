/** Who is banned, why, and until when. */
import { fillId, orderColumn, textCell } from "./cells.js";
import { el } from "./dom.js";
import { clock, duration, legible } from "./format.js";
import { PagedTable } from "./paged-table.js";

/** @typedef {import("../answers.ts").BanRow} Ban */

export class BansView {
  #table;

  /**
   * @param {{
   *   root: HTMLElement,
   *   now: () => number,
   *   onUnban: (ban: Ban) => void,
   * }} options
   */
  constructor({ root, now, onUnban }) {
    /** @type {import("./paged-table.js").Column<Ban>[]} */
    const columns = [
      {
        label: "Banned",
        class: "name",
        sort: ({ subject }) => subject,
        make: (cell) => {
          const subject = el("bdi", { class: "mono" });
          cell.append(subject);
          return (ban) => fillId(subject, ban.subject);
        },
      },
      {
        label: "Reason",
        class: "name",
        sort: ({ reason }) => reason,
        make: (cell) => {
          const reason = el("bdi");
          cell.append(reason);
          return (ban) => fillId(reason, ban.reason || "–", 120);
        },
      },
      {
        label: "Since",
        class: "number",
        descending_first: true,
        sort: ({ since_unix_ms }) => since_unix_ms,
        make: textCell(({ since_unix_ms }) => clock(since_unix_ms)),
      },
      {
        label: "Ends",
        class: "number",
        sort: ({ until_unix_ms }) => until_unix_ms ?? Infinity,
        make: textCell(({ until_unix_ms }) =>
          until_unix_ms === null ? "when taken back" : `in ${duration(until_unix_ms - now())}`
        ),
      },
      orderColumn({
        text: "Unban",
        label: ({ subject }) => `Unban ${legible(subject)}`,
        onPress: onUnban,
      }),
    ];
    this.#table = new PagedTable({
      root,
      name: "Bans",
      one: "ban",
      many: "bans",
      empty: "Nobody is banned.",
      columns,
      cards_below_px: 560,
      keyOf: ({ subject }) => subject,
      textOf: ({ subject, reason }) => `${subject} ${reason}`,
      sort: { column: 2, descending: true },
      page_rows: 10,
    });
  }

  /** @param {Ban[]} bans */
  show(bans) {
    this.#table.show(bans);
  }
}
