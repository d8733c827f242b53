/**
 * A standing port: the connections that have not said who they are, the back end (BE) that waits, and
 * the session of that BE with a front end (FE) while one is there; see `data/standing.ts`.
 */
import type { AdmissionLimit } from "../admission.ts";
import type { CounterRow } from "../counters.ts";
import type { CloseReason } from "../plane.ts";
import { PortEvents } from "../port-events.ts";
import { RLX1_HELLO, type Rlx1Hello } from "../rlx1-hello.ts";
import type { StandingEnd, StandingState } from "../standing.ts";
import type { OpenOrder, StandingReport } from "../worker-protocol.ts";
import type { Connection } from "./connection.ts";
import type { TcpContext, WorkerPort } from "./context.ts";
import { type EntranceOwner, TcpEntrance } from "./entrance.ts";
import { isEstablished } from "./line-quality.ts";
import type { Accepted } from "./accept-loop.ts";
import { kernelBuffers, type RingShares, shareRing } from "./ring.ts";
import { type SessionEnd, StandingSession, type StandingSessionOwner } from "./standing-session.ts";
import type { TrafficOptions } from "./traffic.ts";

type RejectedStatus = Extract<StandingReport, { type: "rejected" }>["status"];

export class StandingPort implements EntranceOwner<Rlx1Hello>, WorkerPort, StandingSessionOwner {
  readonly port: number;
  /** The listener never rests: it closes with the port. */
  readonly session = null;
  readonly buffers: RingShares;
  readonly #context: TcpContext;
  readonly #rate_rows: readonly number[];
  readonly #counters: CounterRow;
  readonly #events: PortEvents;
  readonly #entrance: TcpEntrance<Rlx1Hello>;
  /** The BE, whether it waits or has an FE. */
  #be: Connection | null = null;
  #session: StandingSession | null = null;
  /** Carried by sessions that are over. */
  #before_up = 0;
  #before_down = 0;
  #closed = false;

  constructor(options: { context: TcpContext; order: OpenOrder; counters: CounterRow }) {
    const { context, order } = options;
    const { port, standing } = order;
    this.#context = context;
    this.port = port;
    const wished = context.settings;
    this.buffers = shareRing(standing!.ring_bytes_max, { kernel: kernelBuffers(), wished });
    this.#rate_rows = order.rate_rows;
    this.#counters = options.counters;
    this.#events = new PortEvents({ port, session_id: order.session_id, tell: context.event });
    this.#entrance = new TcpEntrance({ context, form: RLX1_HELLO, owner: this });
  }

  accept(accepted: Accepted): void {
    this.#entrance.accept(accepted);
  }

  dropBanned(): void {
    this.#entrance.dropBanned();
  }

  connectionReady(connection: Connection): void {
    if (!connection.role) this.#entrance.ready(connection);
    else if (this.#session) this.#session.connectionReady(connection);
    else this.#waitingReady(connection);
  }

  claimed(connection: Connection, { role, client_id }: Rlx1Hello): void {
    if (this.#session) {
      return this.#turnAway(connection, "port_occupied", "an FE and a BE are connected already");
    }
    // The BE may have ended a moment ago, and epoll tells of others first.
    if (this.#be && !isEstablished(this.#context.libc, this.#be.fd)) this.dropWaiting();
    connection.role = role === "BE" ? "server" : "client";
    connection.id = client_id;
    if (role === "BE") return this.#takeBe(connection);
    if (!this.#be) return this.#turnAway(connection, "no_server", "no BE waits on this port");
    this.#pair(connection, this.#be);
  }

  refused(remote: string, status: RejectedStatus, detail: string): void {
    this.#context.standing({ type: "rejected", port: this.port, status, detail, remote });
  }

  shed(remote: string, limit: AdmissionLimit | "banned"): void {
    this.#events.shed(remote, limit);
  }

  sessionOver({ reason, by, be_stays, detail }: SessionEnd): void {
    const { fe, be, bytes_up, bytes_down } = this.#session!;
    this.#session = null;
    this.#before_up += bytes_up;
    this.#before_down += bytes_down;
    this.#context.standing({
      type: "standing_over",
      port: this.port,
      reason,
      by,
      be: standingEnd(be),
      fe: standingEnd(fe),
      bytes_up,
      bytes_down,
      detail,
    });
    if (!be_stays) this.#be = null;
    this.#tell();
    if (this.#be) this.#waitingReady(this.#be);
  }

  /** Ends the session with both of its connections. */
  stopSession(reason: string): void {
    this.#session?.stop(reason);
  }

  /** Closes the BE that waits. */
  dropWaiting(): void {
    if (!this.#be || this.#session) return;
    const { libc, poller } = this.#context;
    poller.forget(this.#be.fd);
    libc.close(this.#be.fd);
    this.#be = null;
    this.#tell();
  }

  close(reason: CloseReason): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#entrance.close();
    if (reason === "plane_failed") this.#session?.fail();
    else this.stopSession("");
    this.dropWaiting();
    this.#context.remove(this);
    const carried = { bytes_up: this.#before_up, bytes_down: this.#before_down };
    this.#events.closed(reason, null, carried);
  }

  #takeBe(connection: Connection): void {
    if (this.#be) {
      return this.#turnAway(connection, "server_dup", "a BE is waiting on this port already");
    }
    this.#be = connection;
    this.#tell();
    // Its end may have come together with the hello.
    this.#waitingReady(connection);
  }

  #pair(fe: Connection, be: Connection): void {
    const context = this.#context;
    const session = new StandingSession({
      context,
      owner: this,
      counters: this.#totals(),
      rate_rows: this.#rate_rows,
      hold_bytes_max: this.buffers.pipe_bytes,
      fe,
      be,
    });
    this.#session = session;
    this.#tell();
    session.start();
  }

  /** What the BE sends waits in the kernel for the next FE; only its end concerns us now. */
  #waitingReady(connection: Connection): void {
    if (connection.broken || connection.finished) this.dropWaiting();
  }

  #turnAway(connection: Connection, status: RejectedStatus, detail: string): void {
    connection.closeSilently(this.#context);
    this.refused(connection.remote, status, detail);
  }

  /** The port's row counts on over all of its sessions. */
  #totals(): TrafficOptions["counters"] {
    const row = this.#counters;
    const [before_up, before_down] = [this.#before_up, this.#before_down];
    return {
      setBytes: (up, down) => row.setBytes(before_up + up, before_down + down),
      setQuality: (line) => row.setQuality(line),
    };
  }

  #tell(): void {
    const state: StandingState = this.#session ? "busy" : this.#be ? "ready" : "empty";
    this.#context.standing({
      type: "standing",
      port: this.port,
      state,
      be: this.#be && standingEnd(this.#be),
      fe: this.#session && standingEnd(this.#session.fe),
    });
  }
}

function standingEnd({ id, remote }: Connection): StandingEnd {
  return { id, remote };
}
