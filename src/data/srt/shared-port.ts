/**
 * A UDP port that many share: named streams, and with `gosrt.mode: shared` all sessions. Whoever comes
 * says in the stream id, or in a hello, where to go.
 */
import type { AdmissionLimit } from "../admission.ts";
import type { RejectStatus, SrtWishes } from "../plane.ts";
import { PortEvents } from "../port-events.ts";
import type { StreamSettings } from "../worker-protocol.ts";
import type { SrtConnection } from "./connection.ts";
import type { SrtContext } from "./context.ts";
import { type Claim, type EntranceOwner, SrtEntrance } from "./entrance.ts";
import type { Accepted, Acceptor } from "./listeners.ts";
import type { SrtPort } from "./port.ts";
import { type EncryptionRule, ruleOfPort } from "./passphrases.ts";
import type { StreamId, StreamStreamId } from "./stream-id.ts";
import type { Streams } from "./streams.ts";

/** A stream that has a port to itself. */
export type OnlyStream = Pick<StreamSettings, "name" | "passphrase">;

/** The sessions whose ends come through shared ports, by their id. */
export type SharedSessions = ReadonlyMap<string, SrtPort>;

export class SharedPort implements Acceptor, EntranceOwner {
  readonly port: number;
  readonly wishes: SrtWishes;
  readonly passphrase: string;
  readonly #context: SrtContext;
  readonly #streams: Streams;
  readonly #sessions: SharedSessions;
  /** A stream that has the port to itself. */
  readonly #only: string | null;
  readonly #events: PortEvents;
  readonly #entrance: SrtEntrance;

  constructor(options: {
    context: SrtContext;
    port: number;
    streams: Streams;
    sessions: SharedSessions;
    only: OnlyStream | null;
  }) {
    const { context, port, only } = options;
    this.port = port;
    this.#context = context;
    this.#streams = options.streams;
    this.#sessions = options.sessions;
    this.#only = only?.name ?? null;
    this.wishes = only && only.passphrase !== "" ? { passphrase: only.passphrase } : {};
    this.passphrase = this.wishes.passphrase ?? context.settings.passphrase;
    this.#events = new PortEvents({ port, session_id: "", tell: context.event });
    this.#entrance = new SrtEntrance({ context, owner: this, free_text: "refused" });
  }

  /** Whether it is what the settings want of the port now, its listener aside. */
  isFor(only: OnlyStream | null): boolean {
    return this.#only === (only?.name ?? null) &&
      (this.wishes.passphrase ?? "") === (only?.passphrase ?? "");
  }

  prepare(listener: number): void {
    if (this.#only === null) this.#context.passphrases.attach(listener);
  }

  ruleFor(socket: number, id: StreamId): EncryptionRule {
    return this.#only === null
      ? this.#context.passphrases.ruleFor(socket, id)
      : ruleOfPort(this.passphrase);
  }

  accept(accepted: Accepted): void {
    this.#entrance.accept(accepted);
  }

  claimed(connection: SrtConnection, claim: Claim): void {
    if (claim.type === "stream") return this.#join(connection, claim);
    const session_id = claim.type === "hello" ? claim.hello.session_id : claim.session_id;
    const session = this.#sessionOf(session_id);
    if (!session) {
      const detail = "no session of this id is reserved on the shared ports";
      return this.#events.turnAway(connection, "alloc_mismatch", detail);
    }
    if (claim.type !== "hello") return session.seatByStreamId(connection, claim);
    if (this.#context.passphrases.has("session", session_id)) {
      // The handshake, which is when a passphrase counts, was over before this hello.
      const detail = "the session has a passphrase, which takes the stream id #!::s=<session_id>";
      return session.turnAway(connection, "encryption_error", detail);
    }
    session.seat(connection, claim.hello);
  }

  refused(remote: string, status: RejectStatus, detail: string, id?: StreamId): void {
    const session = id?.type === "session" ? this.#sessionOf(id.session_id) : undefined;
    if (session) return session.refused(remote, status, detail);
    const name = id?.type === "stream" && this.#streams.has(id.name) ? id.name : undefined;
    this.#events.rejected(remote, status, detail, name);
  }

  /** Ends the connections that have said nothing and come from where nobody may come from now. */
  dropBanned(): void {
    this.#entrance.dropBanned();
  }

  shed(remote: string, limit: AdmissionLimit | "banned"): void {
    this.#events.shed(remote, limit);
  }

  close(): void {
    this.#entrance.close();
  }

  #join(connection: SrtConnection, claim: StreamStreamId): void {
    const refusal = this.#streams.join(connection, claim, { own_port_of: this.#only });
    if (refusal) this.#events.turnAway(connection, refusal.status, refusal.detail);
  }

  #sessionOf(session_id: string): SrtPort | undefined {
    return this.#only === null ? this.#sessions.get(session_id) : undefined;
  }
}
