/** The gateway itself: its start and end, drains, reloads, its log, the admin port, its supervisor. */
import { counted, duration, from, inBrackets, name, peer, type Sentences, words } from "./words.ts";

function list(value: unknown): string {
  return Array.isArray(value) && value.length > 0 ? value.map(words).join(", ") : "nothing";
}

export const GATEWAY: Sentences = {
  config_warning: ({ setting, found, allowed }) =>
    `The configuration's ${words(setting)} is probably not meant so: found ${words(found)}; ${
      words(allowed)
    }.`,
  starting: ({ version, config }) => `relayx ${words(version)} started with ${words(config)}.`,
  serving: ({ bind_address, control_port }) =>
    `The gateway served on ${words(bind_address)}, control port ${words(control_port)}.`,
  stopping: ({ reason }) => `The gateway began to stop, because of ${words(reason)}.`,
  stopped: ({ sessions_cut, error }) =>
    error === undefined
      ? `The gateway stopped; ${counted(sessions_cut ?? 0, "session")} had to be cut.`
      : `The gateway could not start: ${words(error)}.`,
  draining: ({ by, deadline_ms, sessions }) =>
    `The gateway began to drain, by ${words(by)}: ${
      counted(sessions, "session")
    } went on, nobody new was let in${
      typeof deadline_ms === "number"
        ? `, and what was left would end after ${duration(deadline_ms)}`
        : ""
    }.`,
  drained: () => "No session was left; the gateway stayed drained.",
  undrained: ({ by }) => `The drain was taken back, by ${words(by)}: all were let in again.`,
  reloaded: ({ by, applied, needs_restart }) =>
    `The configuration was read anew, by ${words(by)}: in force ${list(applied)}; waiting for a ` +
    `restart ${list(needs_restart)}.`,
  reload_refused: ({ by, error }) =>
    `The configuration, read anew by ${words(by)}, was wrong, and nothing changed: ${
      words(error)
    }.`,
  internal_error: ({ error }) => `A mistake of relayx itself: ${words(error)}; please report it.`,
  log_rotation_failed: () =>
    "The log file could not be set aside; it grows beyond logging.max_size.",
  log_lines_lost: ({ count }) =>
    `${counted(count, "line")} of the log could not be written: the disk is full or too slow.`,
  watchdog_fed: () => "The supervisor's watchdog was fed again.",
  watchdog_withheld: () =>
    "The supervisor's watchdog was not fed, because a part of relayx did not answer; the supervisor " +
    "will start it afresh.",
  notify_failed: ({ error }) => `The supervisor could not be told: ${words(error)}.`,
  state_unreadable: ({ path, subject, found, error }) =>
    `What was kept of an earlier run (${name(path ?? subject)}) cannot be read: ` +
    `${words(found ?? error)}; it was set aside.`,
  state_unwritable: ({ path, error }) =>
    `${name(path)} cannot be written (${
      words(error)
    }): bans and quotas will not survive a restart.`,
  admin_serving: ({ bind_address, admin_port }) =>
    `The admin port served on ${words(bind_address)}, port ${words(admin_port)}.`,
  admin_unavailable: ({ bind_address, admin_port, error }) =>
    `The admin port ${words(bind_address)}:${words(admin_port)} could not be opened (${
      words(error)
    }); it is tried again every 5 s.`,
  admin_error: ({ error }) =>
    `The admin side failed by a mistake of relayx itself: ${words(error)}.`,
  admin_refused: ({ code, found, remote }) =>
    `A request to the admin port${from(remote)} was refused${inBrackets(code)}: found ${
      words(found)
    }.`,
  admin_order: (fields) => {
    const { order, by, code, error, subject, session_id, endpoint, role, id } = fields;
    const about = session_id ?? subject ?? endpoint ?? (id === undefined ? "" : peer({ role, id }));
    const what = `${words(order)}${about === "" ? "" : ` of ${name(about)}`}`;
    return code === undefined
      ? `An operator (${words(by)}) ordered: ${what}.`
      : `An operator (${words(by)}) ordered: ${what}, which was not carried out: ${words(error)}.`;
  },
};
