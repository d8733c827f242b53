/**
 * Who registers as an FE or a BE. With `auth.mode: open` the secret of the section `rlx1` is asked for,
 * which all peers share; with `tokens` or `jwt` the token of the peer itself takes its place, and the
 * shared secret is good for nothing, so that it is no way around. A front end counts as a client and a
 * back end as a server there. Whoever is refused is told nothing: v1 closes without a word.
 */
import type { Access } from "../../access/access.ts";
import { AccessRefusal, type Verdict } from "../../access/authenticator.ts";
import { LimitReached } from "../../access/limits.ts";
import type { DismissReason, Standing } from "../../access/standing.ts";
import type { Config } from "../../config/schema.ts";
import type { ControlConnection } from "../../control/connection.ts";
import type { GuestHost } from "../../control/guest.ts";
import { isSameSecret } from "../../data/secret.ts";
import type { Log } from "../../observe/log.ts";
import { traced } from "../../sessions/party.ts";
import type { RepeatedLines } from "../../observe/repeated-lines.ts";
import type { ErrorCode, Registration, V1Role } from "./messages.ts";
import { Peer, ROLES } from "./peer.ts";

export class Registrar {
  #config: Config;
  readonly #access: Access;
  readonly #host: GuestHost;
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  readonly #refusing: () => string | null;
  readonly #countOf: (role: V1Role) => number;
  readonly #onPeer: (peer: Peer, msg_id: string) => void;

  constructor(options: {
    config: Config;
    access: Access;
    host: GuestHost;
    log: Log;
    repeated: RepeatedLines;
    /** Why nobody new is let in now; null while somebody is. */
    refusing: () => string | null;
    /** How many are registered in a role. */
    countOf: (role: V1Role) => number;
    onPeer: (peer: Peer, msg_id: string) => void;
  }) {
    this.#config = options.config;
    this.#access = options.access;
    this.#host = options.host;
    this.#log = options.log;
    this.#repeated = options.repeated;
    this.#refusing = options.refusing;
    this.#countOf = options.countOf;
    this.#onPeer = options.onPeer;
  }

  apply(config: Config): void {
    this.#config = config;
  }

  /** `asked` is null where the message cannot be read. */
  register(connection: ControlConnection, asked: Registration | null): void {
    if (asked === null) {
      this.refuse(connection, null, "BAD_REQUEST", "a field has the wrong type or is too long");
      return;
    }
    const refusing = this.#refusing();
    if (refusing !== null) this.refuse(connection, asked, "DRAINING", refusing);
    else if (this.#config.auth.mode === "open" && !this.#knows(asked.secret)) {
      this.#access.noteFailure(connection.visitor.address, "AUTH_FAILED");
      this.refuse(connection, asked, "AUTH_FAILED", "the secret is another one");
    } else this.#authenticate(connection, asked);
  }

  /** Closes without a word; the log says why. */
  refuse(
    connection: ControlConnection,
    asked: Registration | null,
    code: ErrorCode,
    error: string,
    reason?: string,
  ): void {
    this.#repeated.warn(
      `register_refused ${code} ${connection.visitor.address}`,
      {
        status: "register_refused",
        protocol: "rlx1",
        remote: connection.remote,
        ...traced(connection.trace_id),
        ...(asked === null ? {} : { role: ROLES[asked.role], id: asked.client_id }),
        code,
        error,
        ...(reason === undefined ? {} : { reason }),
      },
      "a registration is refused",
    );
    this.#host.end(connection, error);
  }

  #knows(secret: string): boolean {
    const ours = this.#config.rlx1?.secret ?? "";
    return isSameSecret(secret, ours) && ours !== "";
  }

  #authenticate(connection: ControlConnection, asked: Registration): void {
    const { role, client_id: id, secret: token } = asked;
    const { address } = connection.visitor;
    const verdict = this.#access.authenticate({ role: ROLES[role], id, token, address });
    if (!(verdict instanceof Promise)) {
      this.#onVerdict(connection, asked, verdict);
      return;
    }
    connection.hold();
    verdict.then((one) => {
      // It may have left meanwhile, or its time may have been over.
      if (!this.#host.isWaiting(connection)) return;
      this.#onVerdict(connection, asked, one);
      connection.resume();
    }, (error) => {
      this.#log.error({ status: "internal_error", error }, "a verdict could not be had");
      this.#host.end(connection, "internal error");
    });
  }

  #onVerdict(connection: ControlConnection, asked: Registration, verdict: Verdict): void {
    if (verdict instanceof AccessRefusal) {
      this.refuse(connection, asked, "AUTH_FAILED", verdict.detail, verdict.reason);
      return;
    }
    // A drain may have begun while the verdict was waited for.
    const refusing = this.#refusing();
    if (refusing !== null) {
      this.refuse(connection, asked, "DRAINING", refusing);
      return;
    }
    const { role, client_id } = asked;
    const limit = role === "FE" ? "max_fe" : "max_be";
    const allowed = this.#config.rlx1?.[limit] ?? 0;
    if (this.#countOf(role) >= allowed) {
      this.#limit(connection, asked, { limit: `rlx1.${limit}`, allowed });
      return;
    }
    const standing = this.#access.register(verdict, {
      role: ROLES[role],
      id: client_id,
      address: connection.visitor.address,
      dismiss: (reason: DismissReason) => this.#host.end(connection, reason),
    });
    if (standing instanceof LimitReached) this.#limit(connection, asked, standing);
    else this.#admit(connection, asked, standing);
  }

  #admit(
    connection: ControlConnection,
    { role, client_id, msg_id }: Registration,
    standing: Standing,
  ): void {
    this.#host.prove(connection);
    this.#onPeer(new Peer({ connection, role, client_id, standing }), msg_id);
  }

  #limit(
    connection: ControlConnection,
    { role, client_id: id }: Registration,
    { limit, allowed, account }: { limit: string; allowed: number; account?: string },
  ): void {
    const { remote } = connection;
    const whose = account === undefined ? {} : { account };
    this.#repeated.warn(
      `${limit} ${account ?? ""}`,
      {
        status: "limit_reached",
        protocol: "rlx1",
        limit,
        allowed,
        ...whose,
        role: ROLES[role],
        id,
        remote,
      },
      "a registration is refused: there are too many",
    );
    this.#host.end(connection, limit);
  }
}
