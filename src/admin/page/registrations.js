/** Who is registered: clients and servers with a control connection. */
import { ageColumn, fillId, makeSubjectLink, orderColumn, textCell } from "./cells.js";
import { el, setText } from "./dom.js";
import { endKey } from "./orders.js";
import { PagedTable } from "./paged-table.js";

/** @typedef {import("../answers.ts").RegistrationRow} Registration */

export class RegistrationsView {
  #table;

  /**
   * @param {{
   *   root: HTMLElement,
   *   now: () => number,
   *   sessionsOf: (registration: Registration) => number,
   *   onKick: (registration: Registration) => void,
   * }} options
   */
  constructor({ root, now, sessionsOf, onKick }) {
    /** @type {import("./paged-table.js").Column<Registration>[]} */
    const columns = [
      { label: "Role", sort: ({ role }) => role, make: textCell(({ role }) => role) },
      {
        label: "Id",
        class: "name",
        sort: ({ id }) => id,
        make: (cell) => {
          const fill = makeSubjectLink(cell);
          return ({ id }) => fill(id);
        },
      },
      { label: "From", class: "mono", sort: ({ remote }) => remote, make: makeFrom },
      {
        label: "Sessions",
        class: "number",
        lively: true,
        descending_first: true,
        sort: sessionsOf,
        make: textCell((registration) => String(sessionsOf(registration))),
      },
      {
        label: "Ports in use",
        class: "number",
        lively: true,
        descending_first: true,
        sort: ({ ports_in_use }) => ports_in_use,
        make: textCell(({ role, ports_in_use, max_conn }) =>
          role === "server" ? `${ports_in_use} of ${max_conn}` : "–"
        ),
      },
      ageColumn(now),
      orderColumn({
        text: "Kick",
        label: ({ role, id }) => `Kick ${role} ${id.slice(0, 64)}`,
        onPress: onKick,
      }),
    ];
    this.#table = new PagedTable({
      root,
      name: "Registrations",
      one: "registration",
      many: "registrations",
      empty: "Nobody is registered.",
      columns,
      cards_below_px: 540,
      keyOf: ({ role, id }) => endKey(role, id),
      textOf: ({ role, id, remote, principal }) => `${role} ${id} ${remote} ${principal}`,
      sort: { column: 1, descending: false },
      page_rows: 10,
    });
  }

  /** @param {Registration[]} registrations */
  show(registrations) {
    this.#table.show(registrations);
  }
}

/**
 * The address, whether the connection is encrypted, and the principal where it is not the id itself.
 * @param {HTMLElement} cell
 * @returns {(registration: Registration) => void}
 */
function makeFrom(cell) {
  const remote = el("bdi");
  const more = el("span", { class: "remotes" });
  cell.append(remote, more);
  return ({ role, id, principal, tls, remote: from }) => {
    fillId(remote, from);
    const own = principal === "" || principal === id || principal === `${role}:${id}`;
    const parts = [tls ? "TLS" : "", own ? "" : `as ${principal}`].filter((part) => part !== "");
    if (parts.length === 0) setText(more, "");
    else fillId(more, parts.join(", "));
  };
}
