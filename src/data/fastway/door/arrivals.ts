/**
 * Who is on the way in: how many there may be, in all and from one address, who may not even be one of
 * them, and how long each of them has.
 */
import { AddressRules } from "../../address-rules.ts";
import { Admission, type AdmissionLimit } from "../../admission.ts";
import { DeadlineLine } from "../../deadline-line.ts";
import type { Arrival } from "./arrival.ts";
import type { DoorRules } from "./protocol.ts";

/** What forbids somebody to come in. */
export type ArrivalBound = AdmissionLimit | "banned";

export class Arrivals {
  readonly #addresses: AddressRules;
  readonly #admission: Admission;
  readonly #deadlines: DeadlineLine<Arrival>;
  readonly #all = new Set<Arrival>();

  constructor(
    { rules, onOverdue }: {
      rules: DoorRules;
      /** An arrival's time is over; it is still counted. */
      onOverdue: (arrival: Arrival) => void;
    },
  ) {
    this.#addresses = new AddressRules(rules);
    this.#admission = new Admission(rules);
    this.#deadlines = new DeadlineLine({
      period_ms: rules.handshake_timeout_ms,
      onDue: onOverdue,
    });
  }

  get size(): number {
    return this.#all.size;
  }

  get proxy_header(): DoorRules["proxy_header"] {
    return this.#addresses.proxy_header;
  }

  /** Deadlines move for those on their way as well. */
  apply(rules: DoorRules): void {
    this.#addresses.apply(rules);
    this.#admission.apply(rules);
    this.#deadlines.setPeriod(rules.handshake_timeout_ms);
  }

  /** Answers who is on the way in from where nobody may come from now. */
  changeBans(
    { added, removed }: { added: readonly string[]; removed: readonly string[] },
  ): Arrival[] {
    this.#addresses.unban(removed);
    this.#addresses.ban(added);
    return [...this.#all].filter((arrival) =>
      arrival.awaited !== "PROXY header" && this.#addresses.isBanned(arrival.address)
    );
  }

  isTrustedProxy(address: string): boolean {
    return this.#addresses.isTrustedProxy(address);
  }

  /** Counts the arrival, or names what forbids it; anew where a proxy has said whose it is. */
  admit(arrival: Arrival): ArrivalBound | null {
    this.#uncount(arrival);
    // A proxy's clients are judged one by one, once it has said who they are. Until then each counts
    // for itself: a thousand may come through one proxy at once.
    const is_undecided = arrival.awaited === "PROXY header";
    if (!is_undecided && this.#addresses.isBanned(arrival.address)) return "banned";
    const counted_as = is_undecided ? arrival.remote : arrival.address;
    const limit = this.#admission.enter(counted_as);
    if (limit === null) arrival.counted_as = counted_as;
    return limit;
  }

  /** It has been admitted, and its time begins. */
  add(arrival: Arrival): void {
    this.#all.add(arrival);
    this.#deadlines.add(arrival);
  }

  /** It is through, or gone: neither counted nor waited for any more. */
  delete(arrival: Arrival): void {
    this.#all.delete(arrival);
    this.#deadlines.delete(arrival);
    this.#uncount(arrival);
  }

  /** Cuts all of them. */
  close(): void {
    for (const arrival of [...this.#all]) arrival.destroy();
    this.#deadlines.close();
  }

  #uncount(arrival: Arrival): void {
    if (arrival.counted_as !== null) this.#admission.leave(arrival.counted_as);
    arrival.counted_as = null;
  }
}
