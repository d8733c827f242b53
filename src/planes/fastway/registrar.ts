/**
 * Who an endpoint is, and whether it may be here: a server has proven to the worker that it knows the
 * key, a client brings a token where `fastway.client_auth` asks for one and is a stranger elsewhere.
 * Whoever may stay gets a standing like the peers of every other protocol.
 *
 *   token ─ a verdict, at once or later ─► admit ─► endpoint ─ banned? a limit? ─► standing
 *                                      └─► end                              └─► end
 */
import type { Access } from "../../access/access.ts";
import { AccessRefusal, type Verdict } from "../../access/authenticator.ts";
import { LimitReached } from "../../access/limits.ts";
import type { Principal } from "../../access/principal.ts";
import type { FastwayPlane } from "../../data/fastway/plane.ts";
import type { EndpointFacts } from "../../data/fastway/protocol.ts";
import type { Log } from "../../observe/log.ts";
import type { Endpoint } from "./endpoint.ts";
import type { Lines } from "./lines.ts";
import { serverPrincipal, strangerPrincipal } from "./principals.ts";

/** A client whose token is judged, or has been found good, and that does not take part yet. */
interface Candidate {
  readonly facts: EndpointFacts;
  /** Null until there is a verdict, and where it was a "no". */
  principal: Principal | null;
  is_judged: boolean;
}

export interface RegistrarOptions {
  access: Access;
  plane: Pick<FastwayPlane, "admit" | "end">;
  lines: Lines;
  log: Log;
  /** Why nobody new is let in now; null while somebody is. */
  refusing: () => string | null;
}

export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #server = serverPrincipal();
  readonly #stranger = strangerPrincipal();
  /** The worker bounds how many there are and how long each may wait. */
  readonly #candidates = new Map<number, Candidate>();

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  /** A client asks to be let in. */
  onToken(facts: EndpointFacts, token: string): void {
    const candidate: Candidate = { facts, principal: null, is_judged: false };
    this.#candidates.set(facts.endpoint, candidate);
    const { address } = facts;
    const verdict = this.#options.access.authenticate({ role: "client", id: null, token, address });
    if (!(verdict instanceof Promise)) {
      this.#onVerdict(candidate, verdict);
      return;
    }
    verdict.then((one) => this.#onVerdict(candidate, one), (error) => {
      this.#options.log.error({ status: "internal_error", error }, "a verdict could not be had");
      candidate.is_judged = true;
      this.#options.plane.end(facts.endpoint, "internal_error");
    });
  }

  /** Gives an endpoint that takes part its standing, or has it ended. */
  register(endpoint: Endpoint): void {
    this.#register(endpoint, this.#principalOf(endpoint.facts));
  }

  /** It has come back: where from another address, the bans and limits of that one are its now. */
  move(endpoint: Endpoint): void {
    const { standing, facts } = endpoint;
    if (standing === null || standing.address === facts.address) return;
    this.#options.access.leave(standing);
    endpoint.standing = null;
    this.#register(endpoint, standing.principal);
  }

  #register(endpoint: Endpoint, principal: Principal): void {
    const { facts } = endpoint;
    const { side, address } = facts;
    const is_numbered = side === "client";
    const id = String(facts.id);
    const banned = this.#options.access.banOf({
      id: is_numbered ? null : id,
      principal,
      address,
    });
    if (banned !== null) {
      this.#end(endpoint, banned.reason);
      return;
    }
    const standing = this.#options.access.register(principal, {
      role: side,
      id,
      address,
      is_numbered,
      proven_by: this.#isOurs(principal) ? "front_door" : "access",
      dismiss: (reason) => this.#end(endpoint, reason),
    });
    if (standing instanceof LimitReached) {
      this.#limit(endpoint, standing);
      return;
    }
    endpoint.standing = standing;
    const spent = standing.accounts.map((account) => account.spentToday()).find(Boolean) ?? null;
    if (spent !== null) this.#limit(endpoint, spent);
  }

  /** It is over, or was never let in. Answers whether it was one that had not been let in. */
  forget(endpoint: number): EndpointFacts | null {
    const candidate = this.#candidates.get(endpoint);
    this.#candidates.delete(endpoint);
    // What came of a token that has been judged is in the log already.
    return candidate === undefined || candidate.is_judged ? null : candidate.facts;
  }

  /** Ends what a reload has taken the right from in a way that only fastway knows of. */
  recheck(endpoints: Iterable<Endpoint>): void {
    for (const endpoint of endpoints) {
      const { standing } = endpoint;
      if (standing !== null && !mayMeetAll(standing.principal)) this.#end(endpoint, "revoked");
    }
  }

  #onVerdict(candidate: Candidate, verdict: Verdict): void {
    const { facts } = candidate;
    candidate.is_judged = true;
    // It may have left meanwhile.
    if (this.#candidates.get(facts.endpoint) !== candidate) return;
    const refusing = this.#options.refusing();
    if (verdict instanceof AccessRefusal) this.#refuse(facts, verdict.reason, verdict.detail);
    else if (refusing !== null) this.#refuse(facts, "draining", refusing);
    else if (!mayMeetAll(verdict)) {
      this.#refuse(
        facts,
        "peers_named",
        `"${verdict.name}" may meet certain servers only, which fastway cannot hold it to; give it ` +
          "a token without peers for fastway",
      );
    } else {
      candidate.principal = verdict;
      this.#options.plane.admit(facts.endpoint);
    }
  }

  #refuse(facts: EndpointFacts, reason: string, detail: string): void {
    this.#options.lines.refused({ side: facts.side, remote: facts.remote, reason, detail });
    this.#options.plane.end(facts.endpoint, reason);
  }

  #principalOf({ endpoint, side }: EndpointFacts): Principal {
    if (side === "server") return this.#server;
    const proven = this.#candidates.get(endpoint)?.principal ?? null;
    this.#candidates.delete(endpoint);
    return proven ?? this.#stranger;
  }

  #isOurs(principal: Principal): boolean {
    return principal === this.#server || principal === this.#stranger;
  }

  #limit(endpoint: Endpoint, reached: LimitReached): void {
    this.#options.lines.limit(endpoint.facts, reached);
    this.#end(endpoint, reached.limit);
  }

  #end({ facts }: Endpoint, reason: string): void {
    this.#options.plane.end(facts.endpoint, reason);
  }
}

/** Who dials whom is decided in the workers, by ids alone. */
function mayMeetAll({ rules }: Principal): boolean {
  return rules.peers.all;
}
