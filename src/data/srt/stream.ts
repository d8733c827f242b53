/**
 * A named stream: one publisher, many viewers, who may come first, stay when the publisher goes and
 * see the next one. Each message is read once and handed to every viewer.
 */
import { SRT_EPOLL_ERR, SRT_EPOLL_IN, SRT_EPOLL_OUT } from "../../../ffi/libsrt/mod.ts";
import { findBottleneck } from "../bottleneck.ts";
import type { LegState, RejectStatus, StreamEnd, StreamEvent, StreamState } from "../plane.ts";
import { isSameSecret } from "../secret.ts";
import { Deadline } from "../timer-wheel.ts";
import type { StreamSettings } from "../worker-protocol.ts";
import { type SrtConnection, type SrtConnectionOwner, TAIL_LOOK_MS } from "./connection.ts";
import type { StreamStreamId } from "./stream-id.ts";
import type { SrtContext } from "./context.ts";
import type { SrtMessage } from "./message.ts";
import { Publisher } from "./publisher.ts";
import { Viewer } from "./viewer.ts";

/** Messages handed on per turn, all viewers together, before the other sockets get theirs. */
const TURN_SENDS = 1024;
const TURN_MESSAGES_MIN = 4;

/** Who has been let in, and by what. */
export type Admitted = Pick<StreamStreamId, "user" | "key">;

export interface StreamRefusal {
  status: RejectStatus;
  detail: string;
}

export class Stream implements SrtConnectionOwner {
  #settings: StreamSettings;
  readonly #context: SrtContext;
  readonly #viewers = new Map<SrtConnection, Viewer>();
  readonly #tail = new Deadline(() => this.#pump());
  readonly #dropped: Record<string, number> = {};
  #publisher: Publisher | null = null;
  #bytes_in = 0;
  #bytes_out = 0;

  constructor({ context, settings }: { context: SrtContext; settings: StreamSettings }) {
    this.#context = context;
    this.#settings = settings;
  }

  get settings(): StreamSettings {
    return this.#settings;
  }

  /** Whether a key lets somebody publish or view. Takes as long for any key. */
  admits(mode: StreamStreamId["mode"], key: string): boolean {
    const wanted = mode === "publish" ? this.#settings.publish_key : this.#settings.read_key;
    return isSameSecret(key, wanted) || wanted === "";
  }

  /**
   * New rules, which hold at once. Whoever came with what no longer lets one in has to go; viewers
   * beyond a smaller `viewers_max` may stay, and a new port is for those to come.
   */
  apply(settings: StreamSettings): void {
    const before = this.#settings;
    this.#settings = settings;
    // On both kinds of ports the passphrase is the stream's own, and what it came with is not kept.
    const is_locked_anew = settings.passphrase !== before.passphrase;
    const publisher = this.#publisher;
    if (publisher && (is_locked_anew || !this.admits("publish", publisher.key))) {
      this.#endPublisher("key_changed");
    } else {
      publisher?.limit(settings.bitrate_max_bps);
    }
    for (const viewer of [...this.#viewers.values()]) {
      if (is_locked_anew || !this.admits("request", viewer.key)) {
        this.#endViewer(viewer, "key_changed");
      } else {
        viewer.treat(settings.slow_viewer);
      }
    }
  }

  get empty(): boolean {
    return this.#publisher === null && this.#viewers.size === 0;
  }

  publish(connection: SrtConnection, { user, key }: Admitted): StreamRefusal | null {
    const { libsrt, now_ms } = this.#context;
    const { name, takeover, bitrate_max_bps } = this.settings;
    const before = this.#publisher;
    if (before && !before.connection.broken) {
      if (takeover === "refuse") {
        return {
          status: "stream_busy",
          detail: `somebody publishes ${JSON.stringify(name)} already`,
        };
      }
      this.#endPublisher("replaced");
    } else if (before) {
      // What the one before had sent last is not worth the new one's beginning.
      this.#endPublisher("left");
    }
    connection.owner = this;
    this.#publisher = new Publisher({ libsrt, connection, user, key, bitrate_max_bps, now_ms });
    this.#tell("publishing", connection, { user, reason: "" });
    // What waited in libsrt is told again now.
    connection.want(SRT_EPOLL_IN, true);
    this.#pump();
    return null;
  }

  view(connection: SrtConnection, { user, key }: Admitted): StreamRefusal | null {
    const { libsrt, now_ms } = this.#context;
    const { viewers_max, slow_viewer } = this.settings;
    if (this.#viewers.size >= viewers_max) {
      return { status: "stream_full", detail: `viewers_max is ${viewers_max}, and all are there` };
    }
    connection.owner = this;
    const viewer = new Viewer({ libsrt, connection, user, key, slow_viewer, now_ms });
    this.#viewers.set(connection, viewer);
    this.#tell("viewing", connection, { user, reason: "" });
    return null;
  }

  connectionReady(connection: SrtConnection, events: number): void {
    const viewer = this.#viewers.get(connection);
    if (viewer) {
      if (events & SRT_EPOLL_ERR) this.#endViewer(viewer, "left");
      else {
        if (events & SRT_EPOLL_OUT) viewer.writable();
        if (events & SRT_EPOLL_IN) viewer.discard(this.#context.message);
      }
    } else if (connection === this.#publisher?.connection) {
      if (events & SRT_EPOLL_ERR) connection.lose(this.#context.now_ms);
      this.#pump();
    }
  }

  /** Looks at every line, lets the slow go and says how things are. */
  look(): StreamState {
    const { now_ms } = this.#context;
    const publisher = this.#publisher;
    const incoming = publisher?.meter.read(now_ms) ?? null;
    const viewers: StreamState["viewers"] = [];
    for (const viewer of [...this.#viewers.values()]) {
      const seen = viewer.look(now_ms);
      if (!seen) {
        this.#endViewer(viewer, "left");
        continue;
      }
      const { connection, user, since_unix_ms, skipped } = viewer;
      if (seen.slow) {
        this.#endViewer(viewer, "slow");
        continue;
      }
      const outgoing = seen.leg.sent;
      viewers.push({
        remote: connection.remote,
        user,
        since_unix_ms,
        skipped,
        leg: outgoing,
        bottleneck: findBottleneck({
          incoming: incoming?.received ?? SILENT,
          outgoing,
          incoming_latency_ms: publisher?.connection.receiveLatency() ?? 0,
          outgoing_latency_ms: connection.sendLatency(),
          blocked: seen.blocked,
        }),
      });
    }
    return {
      name: this.settings.name,
      publisher: publisher && incoming && {
        remote: publisher.connection.remote,
        user: publisher.user,
        since_unix_ms: publisher.since_unix_ms,
        leg: incoming.received,
      },
      viewers,
      bytes_in: this.#bytes_in,
      bytes_out: this.#bytes_out,
      dropped: { ...this.#dropped },
    };
  }

  /** Ends whoever comes from where nobody may come from now. */
  dropBanned(): void {
    const { addresses } = this.#context;
    const isBanned = ({ connection }: { connection: SrtConnection }) =>
      addresses.isBanned(connection.address);
    if (this.#publisher && isBanned(this.#publisher)) this.#endPublisher("banned");
    for (const viewer of [...this.#viewers.values()]) {
      if (isBanned(viewer)) this.#endViewer(viewer, "banned");
    }
  }

  /** Ends everybody. */
  close(reason: "released" | "removed"): void {
    if (this.#publisher) this.#endPublisher(reason);
    for (const viewer of [...this.#viewers.values()]) this.#endViewer(viewer, reason);
  }

  #pump(): void {
    const publisher = this.#publisher;
    if (!publisher) return;
    const { message, now_ms } = this.#context;
    const turn = Math.max(TURN_MESSAGES_MIN, Math.floor(TURN_SENDS / (this.#viewers.size + 1)));
    // One that is lost is not told of again, so all that is due is handed on now.
    for (let i = 0; i < turn || publisher.connection.broken; i++) {
      const received = publisher.receive(message);
      if (received === "nothing" || received === "gone") {
        if (received === "gone" || publisher.connection.broken) this.#moveTail(publisher);
        return;
      }
      this.#bytes_in += received;
      if (!publisher.mayHaveSent(received, now_ms)) return this.#endPublisher("bitrate");
      this.#handOn(message, received);
    }
  }

  #handOn(message: SrtMessage, length: number): void {
    for (const viewer of this.#viewers.values()) {
      const before = viewer.bytes;
      if (!viewer.send(message, length, this.#context.now_ms)) this.#endViewer(viewer, "left");
      this.#bytes_out += viewer.bytes - before;
    }
  }

  /** The publisher is gone; what it had sent last comes due in its own time. */
  #moveTail({ connection }: Publisher): void {
    const { wheel, now_ms } = this.#context;
    if (!connection.broken) connection.lose(now_ms);
    if (connection.hasTail(now_ms)) wheel.schedule(this.#tail, now_ms + TAIL_LOOK_MS);
    else this.#endPublisher("left");
  }

  #endPublisher(reason: StreamEnd): void {
    const { connection, user, bytes } = this.#publisher!;
    this.#publisher = null;
    this.#context.wheel.cancel(this.#tail);
    connection.close();
    this.#count(reason);
    this.#tell("publish_stop", connection, { user, reason, bytes });
  }

  #endViewer(viewer: Viewer, reason: StreamEnd): void {
    const { connection, user, bytes, skipped } = viewer;
    if (!this.#viewers.delete(connection)) return;
    connection.close();
    this.#count(reason);
    this.#tell("view_stop", connection, { user, reason, bytes, skipped });
  }

  #count(reason: StreamEnd): void {
    this.#dropped[reason] = (this.#dropped[reason] ?? 0) + 1;
  }

  #tell(
    status: StreamEvent["status"],
    { remote }: SrtConnection,
    about: { user: string; reason: StreamEnd | ""; bytes?: number; skipped?: number },
  ): void {
    const { name } = this.settings;
    this.#context.event({ type: "stream", name, status, remote, bytes: 0, skipped: 0, ...about });
  }
}

/** A line that nobody sends on. */
const SILENT: Readonly<LegState> = Object.freeze({
  mbps: 0,
  rtt_ms: 0,
  loss_pct: 0,
  retrans_pct: 0,
  dropped: 0,
  buffered_ms: 0,
  bandwidth_mbps: 0,
});
