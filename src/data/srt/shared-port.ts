/**
 * A UDP port that many share: named streams, and with `gosrt.mode: shared` all sessions. Whoever comes
 * says in the stream id, or in a hello, where to go.
 */
import type { AdmissionLimit } from "../admission.ts";
import type { RejectStatus, SrtWishes } from "../plane.ts";
import { PortEvents } from "../port-events.ts";
import type { SrtConnection } from "./connection.ts";
import type { SrtContext } from "./context.ts";
import { type Claim, type EntranceOwner, SrtEntrance } from "./entrance.ts";
import type { Accepted, Acceptor } from "./listeners.ts";
import type { SrtPort } from "./port.ts";
import type { StreamStreamId } from "./stream-id.ts";
import type { Streams } from "./streams.ts";

/** The sessions whose ends come through shared ports, by their id. */
export type SharedSessions = ReadonlyMap<string, SrtPort>;

export class SharedPort implements Acceptor, EntranceOwner {
  readonly port: number;
  readonly wishes: SrtWishes;
  readonly #streams: Streams;
  readonly #sessions: SharedSessions;
  /** A stream that has the port to itself, for its own passphrase. */
  readonly #only: string | null;
  readonly #events: PortEvents;
  readonly #entrance: SrtEntrance;

  constructor(options: {
    context: SrtContext;
    port: number;
    streams: Streams;
    sessions: SharedSessions;
    only?: { name: string; passphrase: string };
  }) {
    const { context, port, only } = options;
    this.port = port;
    this.#streams = options.streams;
    this.#sessions = options.sessions;
    this.#only = only?.name ?? null;
    this.wishes = only && only.passphrase !== "" ? { passphrase: only.passphrase } : {};
    this.#events = new PortEvents({ port, session_id: "", tell: context.event });
    const encrypted = (this.wishes.passphrase ?? context.settings.passphrase) !== "";
    this.#entrance = new SrtEntrance({ context, owner: this, encrypted, free_text: "refused" });
  }

  accept(accepted: Accepted): void {
    this.#entrance.accept(accepted);
  }

  claimed(connection: SrtConnection, claim: Claim): void {
    if (claim.type === "stream") return this.#join(connection, claim);
    const session_id = claim.type === "hello" ? claim.hello.session_id : claim.session_id;
    const session = this.#only === null ? this.#sessions.get(session_id) : undefined;
    if (!session) {
      const detail = "no session of this id is reserved on the shared ports";
      return this.#reject(connection, "alloc_mismatch", detail);
    }
    if (claim.type === "hello") session.seat(connection, claim.hello);
    else session.seatByStreamId(connection, claim);
  }

  refused(remote: string, status: RejectStatus, detail: string): void {
    this.#events.rejected(remote, status, detail);
  }

  shed(remote: string, limit: AdmissionLimit): void {
    this.#events.shed(remote, limit);
  }

  close(): void {
    this.#entrance.close();
  }

  #join(connection: SrtConnection, claim: StreamStreamId): void {
    const refusal = this.#streams.join(connection, claim, { own_port_of: this.#only });
    if (refusal) this.#reject(connection, refusal.status, refusal.detail);
  }

  #reject(connection: SrtConnection, status: RejectStatus, detail: string): void {
    connection.close();
    this.#events.rejected(connection.remote, status, detail);
  }
}
