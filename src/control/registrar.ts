/**
 * The first message of a connection, and who may register by it:
 *
 *   register → is it one? → who is it? → is there room? → does somebody have the id? → a standing
 *
 * Every "no" is a `register_ack` with its code and the end of the connection. Whoever is not let in
 * for what it brought is told the same whatever was wrong with it; the log says what it was.
 */
import type { Access } from "../access/access.ts";
import { AccessRefusal, type Verdict } from "../access/authenticator.ts";
import { LimitReached } from "../access/limits.ts";
import type { DismissReason, Standing } from "../access/standing.ts";
import type { Config } from "../config/schema.ts";
import type { Role } from "../data/plane.ts";
import type { Log } from "../observe/log.ts";
import type { Broker } from "../sessions/broker.ts";
import { traced } from "../sessions/party.ts";
import type { Registry } from "../sessions/registry.ts";
import type { RepeatedLines } from "../observe/repeated-lines.ts";
import type { ControlConnection } from "./connection.ts";
import { type Envelope, isRole, readRegister, type Registration } from "./messages.ts";

/** A registration that can be judged: its role is one. */
export type Applicant = Registration & { role: Role };

export interface RegistrarEvents {
  /** It is somebody now, and has been told nothing yet. */
  onRegistered(connection: ControlConnection, asked: Applicant, standing: Standing): void;
  /** It has been told why not. */
  onRefused(connection: ControlConnection): void;
  /** Its registration ends by what has become of its rights. */
  onUnauthorized(connection: ControlConnection, reason: DismissReason): void;
  /** It still waits for its answer. */
  isWaiting(connection: ControlConnection): boolean;
}

export class Registrar {
  readonly #access: Access;
  readonly #registry: Registry;
  readonly #broker: Broker;
  readonly #log: Log;
  readonly #repeated: RepeatedLines;
  readonly #events: RegistrarEvents;
  #connections_max: number;

  constructor(options: {
    config: Config;
    access: Access;
    registry: Registry;
    broker: Broker;
    log: Log;
    repeated: RepeatedLines;
    events: RegistrarEvents;
  }) {
    this.#access = options.access;
    this.#registry = options.registry;
    this.#broker = options.broker;
    this.#log = options.log;
    this.#repeated = options.repeated;
    this.#events = options.events;
    this.#connections_max = options.config.gateway.max_connections;
  }

  apply({ gateway }: Pick<Config, "gateway">): void {
    this.#connections_max = gateway.max_connections;
  }

  /** Takes the first message of a connection. */
  take(connection: ControlConnection, message: Envelope): void {
    connection.trace_id = message.trace_id;
    const { refusal, address } = connection.visitor;
    if (refusal !== null) {
      this.#refuse(connection, refusal.code, refusal.error, null);
      return;
    }
    if (message.type !== "register") {
      this.#access.noteFailure(address, "control_error");
      this.#refuse(connection, 502, "first message must be register", null);
      return;
    }
    const asked = readRegister(message.payload);
    if (asked === null) this.#refuse(connection, 502, "502 invalid register", null);
    else if (asked.id === "" || asked.token === "") {
      this.#refuse(connection, 502, "502 missing id/token", asked);
    } else if (!isRole(asked.role)) {
      this.#refuse(connection, 502, "502 invalid role", asked);
    } else if (this.#broker.refusing !== null) {
      this.#refuse(connection, 504, `504 ${this.#broker.refusing}`, asked);
    } else {
      this.#authenticate(connection, { ...asked, role: asked.role });
    }
  }

  /** Where the verdict does not come at once, nothing more of the peer is read until it does. */
  #authenticate(connection: ControlConnection, asked: Applicant): void {
    const { address } = connection.visitor;
    const verdict = this.#access.authenticate({ ...asked, address });
    if (!(verdict instanceof Promise)) {
      this.#onVerdict(connection, asked, verdict);
      return;
    }
    connection.hold();
    verdict.then((one) => {
      // It may have left meanwhile, or its time may have been over.
      if (!this.#events.isWaiting(connection)) return;
      this.#onVerdict(connection, asked, one);
      connection.resume();
    }, (error) => {
      this.#log.error({ status: "internal_error", error }, "a verdict could not be had");
      this.#refuse(connection, 500, "500 internal error", asked);
    });
  }

  #onVerdict(connection: ControlConnection, asked: Applicant, verdict: Verdict): void {
    const { role, id } = asked;
    if (verdict instanceof AccessRefusal) {
      this.#turnDown(connection, asked, verdict);
    } else if (this.#broker.refusing !== null) {
      // A drain may have begun while the verdict was waited for.
      this.#refuse(connection, 504, `504 ${this.#broker.refusing}`, asked);
    } else if (this.#registry.size >= this.#connections_max || !this.#registry.hasSpaceFor(id)) {
      this.#refuse(connection, 504, "504 max connections reached", asked);
    } else if (this.#registry.has(role, id)) {
      this.#refuse(connection, 503, `503 duplicate ${role} id`, asked);
    } else {
      const { address } = connection.visitor;
      const dismiss = (reason: DismissReason) => this.#events.onUnauthorized(connection, reason);
      const standing = this.#access.register(verdict, { role, id, address, dismiss });
      if (standing instanceof LimitReached) this.#limit(connection, asked, standing);
      else this.#events.onRegistered(connection, asked, standing);
    }
  }

  #turnDown(connection: ControlConnection, asked: Applicant, refusal: AccessRefusal): void {
    const { reason, detail, passing } = refusal;
    const [code, error] = passing
      ? [504, "504 authentication is not available now"]
      : [501, "501 unauthorized"];
    this.#repeated.warn(
      `register_refused ${reason} ${connection.visitor.address}`,
      { status: "register_refused", ...about(connection, asked), code, reason, detail },
      "a registration is refused",
    );
    this.#answer(connection, code, error);
  }

  #limit(connection: ControlConnection, asked: Applicant, reached: LimitReached): void {
    const { limit, allowed, account, sentence } = reached;
    this.#repeated.warn(
      `${limit} ${account}`,
      { status: "limit_reached", limit, allowed, account, ...about(connection, asked) },
      "a registration is refused: there are too many",
    );
    this.#answer(connection, 504, `504 ${sentence}`);
  }

  #refuse(
    connection: ControlConnection,
    code: number,
    error: string,
    asked: Registration | null,
  ): void {
    this.#log.warn(
      { status: "register_refused", ...about(connection, asked), code, error },
      "a registration is refused",
    );
    this.#answer(connection, code, error);
  }

  #answer(connection: ControlConnection, code: number, error: string): void {
    connection.send("register_ack", { status: "error", code, error }, connection.trace_id);
    this.#events.onRefused(connection);
  }
}

/** Who asks to be registered, for the log. */
function about({ remote, trace_id }: ControlConnection, asked: Registration | null) {
  return {
    remote,
    ...traced(trace_id),
    ...(asked !== null && isRole(asked.role) ? { role: asked.role } : {}),
    ...(asked !== null ? { id: asked.id } : {}),
  };
}
