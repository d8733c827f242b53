/** The orders that the page can give, each with what it says before it is given. */
import { encoded } from "./api.js";
import { el } from "./dom.js";
import { counted, duration, legible } from "./format.js";
import { planeName } from "./words.js";

/**
 * @typedef {import("../answers.ts").SessionRow} Session
 * @typedef {import("../answers.ts").RegistrationRow} Registration
 * @typedef {import("../answers.ts").BanRow} Ban
 * @typedef {import("../answers.ts").EndpointRow} Endpoint
 */

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

/** @type {readonly (readonly [label: string, ms: number | null])[]} */
const DEADLINES = [
  ["No deadline: sessions may go on as long as they like", null],
  ["1 minute", MINUTE_MS],
  ["5 minutes", 5 * MINUTE_MS],
  ["30 minutes", 30 * MINUTE_MS],
  ["2 hours", 120 * MINUTE_MS],
  ["At once: end all sessions now", 0],
];

/** @type {readonly (readonly [label: string, ms: number | null])[]} */
const BAN_TIMES = [
  ["1 hour", 60 * MINUTE_MS],
  ["10 minutes", 10 * MINUTE_MS],
  ["1 day", DAY_MS],
  ["30 days", 30 * DAY_MS],
  ["Until it is taken back", null],
];

export class Orders {
  #api;
  #confirmation;
  #refresh;

  /**
   * @param {{
   *   api: import("./api.js").Api,
   *   confirmation: import("./dialog.js").Confirmation,
   *   refresh: (...names: string[]) => void,
   * }} options
   */
  constructor({ api, confirmation, refresh }) {
    this.#api = api;
    this.#confirmation = confirmation;
    this.#refresh = refresh;
  }

  /** @param {Session} session */
  kickSession({ session_id, client_id, server_id, ports }) {
    const where = ports.map(({ kind, port }) => `${planeName(kind)} port ${port}`).join(" and ");
    this.#confirmation.ask({
      title: `Kick session ${legible(session_id)}?`,
      sentences: [
        `Its connections on ${where || "its ports"} are cut at once; what is on its way is lost.`,
        `Client ${legible(client_id)} and server ${
          legible(server_id)
        } stay registered and may be ` +
        "paired again at once.",
      ],
      order: "Kick session",
      run: async () => {
        await this.#order("DELETE", `sessions/${encoded(session_id)}`);
        return `Session ${legible(session_id)} was ended.`;
      },
    });
  }

  /**
   * @param {Registration} registration
   * @param {number} sessions How many it has.
   */
  kickRegistration({ role, id, remote }, sessions) {
    const box = el("input", { type: "checkbox" });
    const many = counted(sessions, "session");
    const label = el("label", { class: "check" }, box, ` End its ${many} as well`);
    this.#confirmation.ask({
      title: `Kick ${role} ${legible(id)}?`,
      sentences: [
        `Its control connection from ${legible(remote)} is closed and its id is free at once. ` +
        "It may register again; a ban keeps it away.",
        sessions > 0
          ? `Its ${many} ${sessions === 1 ? "goes" : "go"} on unless you tick the box.`
          : "It has no sessions now.",
      ],
      fields: sessions > 0 ? [label] : undefined,
      order: `Kick ${role}`,
      run: async () => {
        // Behind the question mark an id may be anything, even two dots.
        const path = `registrations/${role}?id=${encoded(id)}&sessions=${box.checked}`;
        const { ended } = await this.#order("DELETE", path);
        // The registration itself counts as one.
        const also = box.checked ? ` with ${counted(ended - 1, "session")}` : "";
        return `The registration of ${role} ${legible(id)} was ended${also}.`;
      },
    });
  }

  /** @param {Endpoint} endpoint */
  kickEndpoint({ endpoint, side, id, remote, virtual }) {
    const other = side === "client" ? "servers" : "clients";
    const theirs = `Its ${counted(virtual, "virtual connection")} ${
      virtual === 1 ? "ends" : "end"
    }, and the ${other} are told.`;
    this.#confirmation.ask({
      title: `Kick ${side} ${id}, endpoint ${endpoint}?`,
      sentences: [
        `Its connection from ${
          legible(remote, 64)
        } is cut at once; what waits for it is lost, and a ` +
        "session of snet cannot be come back to.",
        `${
          virtual === 0 ? "It has no virtual connections now." : theirs
        } It may connect again; a ban ` +
        "keeps it away.",
      ],
      order: `Kick ${side}`,
      run: async () => {
        await this.#order("DELETE", `fastway/endpoints/${endpoint}`);
        return `The ${side} ${id}, endpoint ${endpoint}, was ended.`;
      },
    });
  }

  /**
   * @param {number} sessions How many run now.
   * @param {number} [virtual] Virtual connections of fastway.
   */
  drain(sessions, virtual = 0) {
    const running = virtual === 0
      ? counted(sessions, "session")
      : `${counted(sessions, "session")} and ${counted(virtual, "virtual connection")}`;
    const deadline = choice("Sessions that still run then are ended after", DEADLINES, 2);
    this.#confirmation.ask({
      title: "Drain the gateway?",
      sentences: [
        "New registrations and pairings are refused with 504 draining, and /readyz says not ready.",
        `${running} ${sessions + virtual === 1 ? "goes" : "go"} on until done, or until ` +
        "the deadline. You can take it back at any time.",
      ],
      fields: [deadline.element],
      order: "Drain",
      run: async () => {
        const ms = deadline.value();
        await this.#order("POST", "drain", { deadline_ms: ms });
        const until = ms === null ? "without a deadline" : `with ${duration(ms)} to go`;
        return `The gateway drains, ${until}.`;
      },
    });
  }

  undrain() {
    this.#confirmation.ask({
      title: "Stop draining?",
      sentences: [
        "The gateway takes registrations and pairings again at once, and the deadline is dropped.",
      ],
      order: "Stop draining",
      harmless: true,
      run: async () => {
        await this.#order("DELETE", "drain");
        return "The gateway serves again.";
      },
    });
  }

  /** @param {Ban} ban */
  unban({ subject, reason }) {
    this.#confirmation.ask({
      title: `Take back the ban of ${legible(subject)}?`,
      sentences: [
        `It may connect and register again at once. It was banned for: ${
          legible(reason, 200) || "no reason given"
        }.`,
      ],
      order: "Take back",
      harmless: true,
      run: async () => {
        await this.#order("DELETE", `bans/${encoded(subject)}`);
        return `The ban of ${legible(subject)} was taken back.`;
      },
    });
  }

  ban() {
    const subject = el("input", {
      type: "text",
      required: "",
      maxlength: "256",
      autocomplete: "off",
      spellcheck: "false",
      placeholder: "address:192.0.2.7 or id:some-peer",
    });
    const reason = el("input", { type: "text", maxlength: "256", autocomplete: "off" });
    const time = choice("For", BAN_TIMES, 0);
    const box = el("input", { type: "checkbox" });
    this.#confirmation.ask({
      title: "Ban an address or an id?",
      sentences: [
        "An address (address:192.0.2.7, address:2001:db8::/64) can neither register nor reach a data " +
        "port; an id (id:some-peer) cannot register. Its registrations are ended, its sessions go on " +
        "unless you tick the box.",
      ],
      fields: [
        el("label", { class: "field" }, "Address or id", subject),
        time.element,
        el("label", { class: "field" }, "Reason, for whoever looks later", reason),
        el("label", { class: "check" }, box, " End its sessions as well"),
      ],
      order: "Ban",
      run: async () => {
        const banned = subject.value.trim();
        await this.#order("POST", "bans", {
          subject: banned,
          duration_ms: time.value(),
          reason: reason.value.trim(),
          sessions: box.checked,
        });
        return `${legible(banned)} is banned.`;
      },
    });
    subject.focus();
  }

  /**
   * @param {"POST" | "DELETE"} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<{ ended: number }>}
   */
  async #order(method, path, body) {
    try {
      return await this.#api.order(method, path, body);
    } finally {
      this.#refresh("gateway", "ports", "sessions", "registrations", "fastway", "bans");
    }
  }
}

/**
 * A labelled choice of times.
 * @param {string} label
 * @param {readonly (readonly [label: string, ms: number | null])[]} times
 * @param {number} chosen
 */
function choice(label, times, chosen) {
  const select = el("select");
  for (const [at, [text]] of times.entries()) {
    select.append(el("option", { value: String(at) }, text));
  }
  select.value = String(chosen);
  return {
    element: el("label", { class: "field" }, label, select),
    value: () => times[Number(select.value)][1],
  };
}

/**
 * How many sessions each end has, by role and id.
 * @param {readonly Session[]} sessions
 */
export function sessionsByEnd(sessions) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const { client_id, server_id } of sessions) {
    for (const key of [endKey("client", client_id), endKey("server", server_id)]) {
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

/**
 * @param {"client" | "server"} role
 * @param {string} id
 */
export function endKey(role, id) {
  return `${role} ${id}`;
}
