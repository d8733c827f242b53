/**
 * How often each kind of event has happened since the start, for the metrics. A kind is its level,
 * its status, the plane where it has one, and the word that says more: a limit, a code, a reason, or
 * the role of the peer it is about. All these words are relayx's own, so there are few of them; a
 * bound sees to it that a mistake cannot make them many.
 */

/** Distinct kinds; what comes beyond it is counted under the word `other`. */
const KINDS_MAX = 1000;
const WORD = /^[\w.]{1,64}$/;
const OTHER = "other";

export interface StatusCount {
  readonly level: string;
  readonly status: string;
  /** Empty where the kind of event has none, like the reason. */
  readonly plane: string;
  readonly reason: string;
  count: number;
}

export class StatusCounts {
  readonly #by_status = new Map<string, StatusCount[]>();
  #kinds = 0;

  /** `fields` are those of a line; one line may stand for several events, as its `count` says. */
  add(level: string, status: string, fields: Readonly<Record<string, unknown>>): void {
    this.#kind(level, status, planeOf(fields), reasonOf(status, fields)).count += timesOf(fields);
  }

  all(): StatusCount[] {
    return [...this.#by_status.values()].flat();
  }

  /** All kinds of one status. */
  of(status: string): readonly StatusCount[] {
    return this.#by_status.get(status) ?? [];
  }

  #kind(level: string, status: string, plane: string, reason: string): StatusCount {
    let kinds = this.#by_status.get(status);
    if (kinds !== undefined) {
      for (const kind of kinds) {
        if (kind.reason === reason && kind.plane === plane && kind.level === level) return kind;
      }
    }
    if (this.#kinds >= KINDS_MAX && status !== OTHER) return this.#kind(level, OTHER, "", "");
    if (kinds === undefined) this.#by_status.set(status, kinds = []);
    const fresh = { level, status, plane, reason, count: 0 };
    kinds.push(fresh);
    this.#kinds++;
    return fresh;
  }
}

function planeOf({ kind }: Readonly<Record<string, unknown>>): string {
  return kind === "zmq" || kind === "srt" ? kind : "";
}

/** One word of relayx's own; what a person has written as a reason is none. */
function reasonOf(status: string, fields: Readonly<Record<string, unknown>>): string {
  const { limit, code, reason, role } = fields;
  const may_say = status === "banned" ? [role] : [limit, code, reason, role];
  for (const word of may_say) {
    if (typeof word === "number") return String(word);
    if (typeof word === "string" && WORD.test(word)) return word;
  }
  return "";
}

function timesOf({ count }: Readonly<Record<string, unknown>>): number {
  return typeof count === "number" && Number.isSafeInteger(count) && count > 0 ? count : 1;
}
