/**
 * A front end (FE) and a back end (BE) on a standing port. The FE goes and the BE stays, so an end
 * means different things on the two sides:
 *
 * - The FE ends its direction: all it has sent reaches the BE, which hears nothing of the end. The BE's
 *   answers go on to the FE until the BE has been quiet for 250 ms; then the FE is closed.
 * - The FE breaks off: what had come from it still reaches the BE. What the BE sends is thrown away by
 *   the same rule, so that nothing of it is taken for an answer to the next FE.
 * - The BE ends its direction: the FE is told so, and may go on sending until it ends as well.
 * - The BE breaks off: the FE is told likewise, as on every other port.
 *
 * Quiet is a BE that has all that the FE sent, acknowledged by its kernel, and then sends nothing. One
 * that does not take its bytes is not handed on to the next FE; that nothing passes between the ends
 * for `gateway.session_idle_timeout` is what ends it, also where it pours out what nobody gets.
 */
import { EAGAIN, type Libc, SIOCOUTQ } from "../../../ffi/libc/mod.ts";
import type { StandingOver, StandingRole } from "../standing.ts";
import { type Connection, resetOnClose } from "./connection.ts";
import type { TcpContext } from "./context.ts";
import type { Flow } from "./flow.ts";
import { Quiet, type QuietOwner } from "./quiet.ts";
import { Tail } from "./tail.ts";
import { Traffic, type TrafficOptions, type TrafficOwner, TURN_BYTES } from "./traffic.ts";

/** How a session ended. */
export interface SessionEnd {
  reason: StandingOver;
  by: StandingRole | null;
  /** The BE is there for the next FE. */
  be_stays: boolean;
  detail: string;
}

export interface StandingSessionOwner {
  /** The session has closed the connections that do not stay. */
  sessionOver(end: SessionEnd): void;
}

const unsent = new Int32Array(1);

export class StandingSession implements TrafficOwner, QuietOwner {
  readonly fe: Connection;
  readonly be: Connection;
  queued = false;
  readonly #context: TcpContext;
  readonly #owner: StandingSessionOwner;
  readonly #traffic: Traffic;
  readonly #quiet: Quiet;
  /** Why the FE is gone before its time: what the BE sends is thrown away. */
  #fe_gone: "aborted" | "idle" | null = null;
  #be_ended = false;
  #up_ended = false;
  /** What a BE that has broken off still owes the FE. */
  #tail: Tail | null = null;
  #over = false;

  constructor(options: {
    context: TcpContext;
    owner: StandingSessionOwner;
    counters: TrafficOptions["counters"];
    rate_rows: readonly number[];
    hold_bytes_max: number;
    fe: Connection;
    be: Connection;
  }) {
    const { context, owner, fe, be, ...traffic } = options;
    this.#context = context;
    this.#owner = owner;
    this.fe = fe;
    this.be = be;
    this.#quiet = new Quiet({ wheel: context.wheel, owner: this });
    this.#traffic = new Traffic({
      ...traffic,
      context,
      owner: this,
      silence: this,
      client: fe,
      server: be,
    });
    this.#traffic.up.passesEnd = false;
  }

  get bytes_up(): number {
    return this.#traffic.up.bytes;
  }

  get bytes_down(): number {
    return this.#traffic.down.bytes;
  }

  get held(): boolean {
    return this.#traffic.held;
  }

  get be_speaks(): boolean {
    return this.be.readable || this.#traffic.down.holds_bytes > 0;
  }

  get be_receives(): boolean {
    return unsentBytes(this.#context.libc, this.be.fd) > 0;
  }

  start(): void {
    this.#traffic.start();
  }

  beIsQuiet(): void {
    this.#close({ be_stays: true });
  }

  connectionReady(connection: Connection): void {
    if (this.#over) return;
    if (connection.broken) this.#broken(connection);
    if (!this.#over) this.#context.enqueue(this);
  }

  turn(): boolean {
    if (this.#over) return false;
    const { up, down } = this.#traffic;
    const before = up.bytes + down.bytes;
    let more = this.#traffic.turn();
    if (this.#over) return false;
    if (up.bytes + down.bytes !== before) this.#quiet.moved(this.#context.now_ms);
    if (this.#tail) {
      if (this.#tail.flow.finished) this.#endTail(this.#tail);
      return !this.#over && more;
    }
    if (this.#fe_gone) more = this.#throwAway() || more;
    if (this.#over) return false;
    if (down.finished) this.#be_ended = true;
    this.#look();
    return !this.#over && more;
  }

  /** Both ends have been silent; the BE, for which that is nothing special, stays if it can. */
  close(reason: "idle"): void {
    const stuck = this.#traffic.up.holds_bytes > 0 || this.be_receives;
    if (this.#fe_gone || this.#be_ended || this.#tail || stuck) return this.#breakOff(reason, null);
    this.#feGone(reason);
    // It may wake up, but nothing of it is taken any more.
    this.#endUp();
    this.#traffic.awaitSilence();
    this.#context.enqueue(this);
  }

  /** Ends the session and both connections; `detail` is the word of whoever wants it. */
  stop(detail: string): void {
    this.#breakOff("released", null, detail);
  }

  /** The worker ends. */
  fail(): void {
    this.#breakOff("plane_failed", null);
  }

  sourceBroken(flow: Flow): void {
    if (flow === this.#traffic.down) return this.#breakOff("aborted", "BE");
    // All that had come from the FE before the break has been read by then.
    this.#broken(flow.source);
    if (!this.#over) this.#endUp();
  }

  sinkBroken(flow: Flow): void {
    this.#broken(flow.sink);
  }

  #broken(connection: Connection): void {
    if (this.#over) return;
    connection.broken = true;
    if (connection === this.be) return this.#beBroken();
    if (this.#tail) return this.#breakOff("aborted", "BE");
    if (!this.#fe_gone) this.#feGone("aborted");
  }

  #feGone(reason: "aborted" | "idle"): void {
    const { up, down } = this.#traffic;
    this.#fe_gone = reason;
    this.#quiet.moved(this.#context.now_ms);
    this.#traffic.only = up;
    down.close();
    this.fe.readable = true;
    this.be.readable = true;
  }

  #beBroken(): void {
    const context = this.#context;
    if (this.#tail) return;
    // Its end was in order, whatever has come of what the FE sent after it.
    if (this.#be_ended) this.be.finished = true;
    if (this.#fe_gone || !Tail.isOwed(this.be, context)) {
      return this.#breakOff("aborted", "BE");
    }
    const { up, down } = this.#traffic;
    up.close();
    const overdue = () => this.#breakOff("aborted", "BE");
    this.#tail = new Tail({ context, flow: down, overdue });
    this.#traffic.only = down;
  }

  #endTail(tail: Tail): void {
    this.#end();
    tail.deliver();
    this.#tell({ reason: "aborted", by: "BE", be_stays: false });
  }

  #endUp(): void {
    this.#traffic.up.close();
    this.#traffic.up.finished = true;
  }

  /** Whether the session is over, or when to look again. */
  #look(): void {
    const { up } = this.#traffic;
    if (!up.finished) return;
    if (!this.#up_ended) {
      this.#up_ended = true;
      this.#quiet.moved(this.#context.now_ms);
    }
    if (this.#be_ended) return this.#close({ be_stays: false });
    this.#quiet.await();
  }

  /** Reads what nobody gets; true when there may be more. */
  #throwAway(): boolean {
    const { libc, scratch, now_ms } = this.#context;
    for (let read = 0; this.be.readable && read < TURN_BYTES;) {
      const bytes = libc.recv(this.be.fd, scratch, scratch.length, 0);
      if (bytes > 0) {
        read += bytes;
        this.#quiet.moved(now_ms);
        continue;
      }
      this.be.readable = false;
      if (bytes === 0) this.#be_ended = true;
      else if (libc.errno() !== EAGAIN) this.#broken(this.be);
    }
    return this.be.readable;
  }

  /** All that was owed has been delivered. */
  #close({ be_stays }: { be_stays: boolean }): void {
    this.#end();
    this.#drop(this.fe, { orderly: this.#fe_gone !== "idle" });
    if (!be_stays) this.#drop(this.be, { orderly: true });
    if (this.#fe_gone) {
      const by = this.#fe_gone === "aborted" ? "FE" : null;
      return this.#tell({ reason: this.#fe_gone, by, be_stays });
    }
    const by = this.#traffic.firstFinished === "server" ? "BE" : "FE";
    this.#tell({ reason: "finished", by, be_stays });
  }

  #breakOff(reason: StandingOver, by: StandingRole | null, detail = ""): void {
    if (this.#over) return;
    this.#end();
    this.#drop(this.fe, { orderly: false });
    this.#drop(this.be, { orderly: false });
    this.#tell({ reason, by, be_stays: false, detail });
  }

  #drop({ fd }: Connection, { orderly }: { orderly: boolean }): void {
    const { libc, poller } = this.#context;
    if (!orderly) resetOnClose(libc, fd);
    poller.forget(fd);
    libc.close(fd);
  }

  #tell(end: Omit<SessionEnd, "detail"> & { detail?: string }): void {
    this.#owner.sessionOver({ detail: "", ...end });
  }

  /** Lets go of everything but the connections. */
  #end(): void {
    this.#over = true;
    this.#tail?.cancel();
    this.#quiet.cancel();
    this.#traffic.close();
  }
}

/** What a connection has been given and its peer's kernel has not acknowledged. */
function unsentBytes(libc: Libc, fd: number): number {
  return libc.ioctl(fd, SIOCOUTQ, unsent) < 0 ? 0 : unsent[0];
}
