/**
 * The page's parts and how they hang together: the poller asks the API, each part shows its subject,
 * and orders go back after a confirmation.
 */
import { Api } from "./api.js";
import { BansView } from "./bans.js";
import { ContactView } from "./contact.js";
import { Confirmation } from "./dialog.js";
import { byId, setText } from "./dom.js";
import { ExplainView } from "./explain.js";
import { FastwayView } from "./fastway.js";
import { count } from "./format.js";
import { Login } from "./login.js";
import { endKey, Orders, sessionsByEnd } from "./orders.js";
import { Poller } from "./poller.js";
import { PoolView } from "./ports.js";
import { RefusalsView } from "./refusals.js";
import { RegistrationsView } from "./registrations.js";
import { SessionsView } from "./sessions.js";
import { StreamsView } from "./streams.js";
import { Summary } from "./summary.js";
import { Throughput } from "./throughput.js";
import { Traces } from "./traces.js";

/**
 * @typedef {import("../answers.ts").SessionRow} Session
 * @typedef {import("../answers.ts").RegistrationRow} Registration
 */

/** What the page knows at the moment, where one part needs what another has fetched. */
const known = {
  /** What the gateway's clock is ahead of ours, ms. */
  ahead_ms: 0,
  sessions_in_all: 0,
  /** Virtual connections of fastway. */
  virtual: 0,
  state: "",
  /** @type {Session[]} */
  sessions: [],
  /** @type {Registration[]} */
  registrations: [],
  /** @type {Map<string, number>} */
  by_end: new Map(),
};

const element = (/** @type {string} */ id) => byId(id, HTMLElement);
const now = () => Date.now() + known.ahead_ms;
const sessionsOf = (/** @type {Registration} */ { role, id }) =>
  known.by_end.get(endKey(role, id)) ?? 0;

const api = new Api();
const drain = byId("drain", HTMLButtonElement);
const undrain = byId("undrain", HTMLButtonElement);
const told = element("told");

const confirmation = new Confirmation({
  dialog: byId("confirmation", HTMLDialogElement),
  onTold: (text) => setText(told, text),
});
const orders = new Orders({
  api,
  confirmation,
  refresh: (...names) => poller.refresh(...names),
});
const explain = new ExplainView({
  api,
  dialog: byId("explain", HTMLDialogElement),
  actionsOf: (subject) => [
    ...known.sessions.filter(({ session_id }) => session_id === subject).map((session) => ({
      text: "Kick session",
      onPress: () => orders.kickSession(session),
    })),
    ...known.registrations.filter(({ id }) => id === subject).map((registration) => ({
      text: `Kick ${registration.role}`,
      onPress: () => orders.kickRegistration(registration, sessionsOf(registration)),
    })),
  ],
});

const traces = new Traces();
const summary = new Summary({
  root: element("figures"),
  state: element("state"),
  banner: element("drain-banner"),
  drain,
  undrain,
});
const throughput = new Throughput({
  plot: element("plot"),
  words: element("plot-words"),
  up: element("up-now"),
  down: element("down-now"),
  choices: element("plot-planes"),
});
const onPick = (/** @type {string} */ session_id) => explain.open(session_id);
const pools = {
  zmq: new PoolView({ root: element("pool-zmq"), kind: "zmq", now, onPick }),
  srt: new PoolView({ root: element("pool-srt"), kind: "srt", now, onPick }),
};
const sessions = new SessionsView({
  root: element("sessions-view"),
  traces,
  now,
  onKick: (session) => orders.kickSession(session),
});
const registrations = new RegistrationsView({
  root: element("registrations-view"),
  now,
  sessionsOf,
  onKick: (registration) => orders.kickRegistration(registration, sessionsOf(registration)),
});
const fastway = new FastwayView({
  section: element("fastway"),
  link: element("fastway-link"),
  figures: element("fastway-figures"),
  note: element("fastway-note"),
  root: element("fastway-view"),
  now,
  onKick: (endpoint) => orders.kickEndpoint(endpoint),
});
const streams = new StreamsView({ root: element("streams-view"), now });
const refusals = new RefusalsView({ root: element("refusals-view"), now });
const bans = new BansView({
  root: element("bans-view"),
  now,
  onUnban: (ban) => orders.unban(ban),
});

const contact = new ContactView({
  word: element("contact"),
  banner: element("lost-banner"),
  words: element("lost-words"),
  next: element("lost-next"),
  retry: byId("retry", HTMLButtonElement),
  page: document.body,
  onRetry: () => poller.retry(),
});
const login = new Login({
  view: element("login"),
  form: byId("login-form", HTMLFormElement),
  input: byId("token", HTMLInputElement),
  error: element("login-error"),
  out: byId("sign-out", HTMLButtonElement),
  others: [element("main"), element("nav"), element("orders")],
  onToken: (token) => {
    api.setToken(token);
    poller.start();
  },
});

/** @type {import("./poller.js").Subject[]} */
const subjects = [
  { name: "gateway", path: () => "gateway", period_ms: 1000, show: showGateway },
  {
    name: "history",
    path: () => "history",
    period_ms: 1000,
    show: (answer) => throughput.show(answer),
  },
  { name: "sessions", path: () => "sessions", period_ms: 1000, show: showSessions },
  { name: "ports", path: () => "ports", period_ms: 1000, show: showPorts },
  { name: "registrations", path: () => "registrations", period_ms: 2000, show: showRegistrations },
  {
    name: "fastway",
    path: () => fastway.path,
    is_there: () => fastway.is_served,
    period_ms: 2000,
    show: showEndpoints,
  },
  { name: "streams", path: () => "streams", period_ms: 2000, show: showStreams },
  { name: "refusals", path: () => refusals.path, period_ms: 2000, show: showRefusals },
  { name: "bans", path: () => "bans", period_ms: 5000, show: showBans },
];
const poller = new Poller({
  api,
  subjects,
  onContact: (state) => {
    contact.show(state);
    document.title = titleOf(state);
    if (state.is === "unauthorized") {
      const refusal = api.has_token ? state.reason : "";
      api.setToken("");
      login.ask({ refusal });
    } else if (state.is === "live") {
      login.done({ has_token: api.has_token });
    }
  },
  onRefused: (name, refusal) => {
    const place = document.getElementById(`${name}-refused`);
    if (place === null) return;
    setText(place, refusal === null ? "" : `Not to be had now: ${refusal.message}.`);
  },
});

/**
 * What is out of the ordinary stands in the title, where it is seen from another tab.
 * @param {import("./poller.js").Contact} contact
 */
function titleOf(contact) {
  if (contact.is === "lost") return "No contact · relayx";
  return known.state === "" || known.state === "Running" ? "relayx" : `${known.state} · relayx`;
}

/** @param {import("../answers.ts").GatewayAnswer} answer */
function showGateway(answer) {
  known.ahead_ms = answer.now_unix_ms - Date.now();
  known.sessions_in_all = answer.sessions;
  known.virtual = answer.fastway?.virtual ?? 0;
  known.state = answer.state;
  summary.show(answer);
  fastway.showFigures(answer.fastway);
  element("plot-fastway").hidden = answer.fastway === undefined;
  setText(element("version"), `${answer.version} · V4 ${answer.protocol}`);
}

/** @param {{ sessions: Session[] }} answer */
function showSessions(answer) {
  known.sessions = answer.sessions;
  known.by_end = sessionsByEnd(answer.sessions);
  traces.note(answer.sessions);
  sessions.show(answer.sessions);
  for (const pool of Object.values(pools)) pool.showSessions(answer.sessions);
  setCount("sessions", answer.sessions.length);
}

/** @param {import("../answers.ts").PortsAnswer} answer */
function showPorts(answer) {
  pools.zmq.show(answer.zmq);
  pools.srt.show(answer.srt);
}

/** @param {{ registrations: Registration[] }} answer */
function showRegistrations(answer) {
  known.registrations = answer.registrations;
  registrations.show(answer.registrations);
  setCount("registrations", answer.registrations.length);
}

/** @param {import("../answers.ts").EndpointsAnswer} answer */
function showEndpoints(answer) {
  fastway.show(answer);
  setCount("fastway", answer.total);
}

/** @param {{ streams: import("../../data/plane.ts").StreamListing[] }} answer */
function showStreams(answer) {
  streams.show(answer.streams);
  setCount("streams", answer.streams.length);
}

/** @param {import("../answers.ts").EventsAnswer} answer */
function showRefusals(answer) {
  refusals.show(answer);
  setCount("refusals", refusals.size);
}

/** @param {{ bans: import("../answers.ts").BanRow[] }} answer */
function showBans(answer) {
  bans.show(answer.bans);
  setCount("bans", answer.bans.length);
}

/**
 * The number beside a subject in the navigation.
 * @param {string} name
 * @param {number} number
 */
function setCount(name, number) {
  setText(element(`${name}-count`), count(number));
}

function drawPools() {
  for (const pool of Object.values(pools)) pool.draw();
}

drain.addEventListener("click", () => orders.drain(known.sessions_in_all, known.virtual));
undrain.addEventListener("click", () => orders.undrain());
element("ban").addEventListener("click", () => orders.ban());
document.addEventListener("themechange", drawPools);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawPools);
byId("explain-form", HTMLFormElement).addEventListener("submit", (event) => {
  event.preventDefault();
  const subject = byId("explain-subject", HTMLInputElement).value.trim();
  if (subject !== "") explain.open(subject);
});

drawPools();
poller.start();
explain.follow();
