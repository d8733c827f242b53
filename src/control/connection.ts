/**
 * One connection to the control port: from its first byte, which says whether it is JSON or HTTP, to
 * its end. It reads messages and writes answers; what they mean is the server's business.
 *
 *   accepted → { → JSON, unproven → registered → ended
 *            → A…Z → HTTP, handed over
 *            → a PROXY header, which nobody may send here, or anything else: closed without a word
 */
import type { Buffer } from "node:buffer";
import type { Standing } from "../access/standing.ts";
import type { Role } from "../data/plane.ts";
import { readProxyHeader } from "../data/proxy-header.ts";
import type { Grant, Party, Refusal } from "../sessions/party.ts";
import { FrameError, isWhiteSpace, MessageFramer } from "./framing.ts";
import type { Frame, Guest } from "./guest.ts";
import { encode, type Envelope, readEnvelope } from "./messages.ts";
import { Outgoing, type Overrun, type Topic } from "./outgoing.ts";
import type { Visitor } from "./visitor.ts";

/** What a connection tells its server. */
export interface ConnectionEvents {
  /** The peer speaks HTTP; the socket waits with its first bytes put back. */
  onHttp(connection: ControlConnection): void;
  onMessage(connection: ControlConnection, message: Envelope, frame: Frame): void;
  /** The peer's bytes are no messages; nothing more can be read. */
  onBroken(connection: ControlConnection, error: FrameError): void;
  /** The gateway ends the registration. */
  onDismissed(connection: ControlConnection, reason: string): void;
  onOverrun(connection: ControlConnection, limit: Overrun): void;
  /** The peer has ended its side, or the connection broke: once, before `onClosed`. */
  onEnded(connection: ControlConnection): void;
  /** The descriptor is free. */
  onClosed(connection: ControlConnection): void;
}

export class ControlConnection implements Party {
  readonly visitor: Visitor;
  readonly socket: Visitor["socket"];
  /** Where the peer comes from, `address:port`. */
  readonly remote: string;
  readonly tls: boolean;
  /** Whom a verified client certificate names; null: nobody. */
  readonly certificate_name: string | null;
  role: Role = "client";
  id = "";
  max_conn = 1;
  registered = false;
  since_unix_ms = 0;
  /** From its registration on. */
  standing!: Standing;
  /** Of its first message; empty where that had none. */
  trace_id = "";
  /** Whose the connection is, if it is not V4's. */
  guest: Guest | null = null;
  readonly #events: ConnectionEvents;
  readonly #limits: { message_bytes_max: number; message_depth_max: number };
  readonly #outgoing: Outgoing;
  /** Made with the first byte of a message: until then a peer costs its socket only. */
  #framer: MessageFramer | null = null;
  #reading = true;
  /** Bytes that have come while nothing may be read; null while everything may. */
  #held: Buffer[] | null = null;
  #ended = false;

  constructor(
    options: {
      visitor: Visitor;
      events: ConnectionEvents;
      limits: {
        message_bytes_max: number;
        message_depth_max: number;
        control_queue_bytes_max: number;
      };
    },
  ) {
    const { visitor, limits } = options;
    this.visitor = visitor;
    this.socket = visitor.socket;
    this.remote = visitor.remote;
    this.tls = visitor.tls;
    this.certificate_name = visitor.certificate_name;
    this.#events = options.events;
    this.#limits = limits;
    this.#outgoing = new Outgoing({
      socket: visitor.socket,
      queue_bytes_max: limits.control_queue_bytes_max,
      onOverrun: (limit) => this.#events.onOverrun(this, limit),
    });
  }

  /** Begins to read; `first` are bytes that have come already. */
  start(first: Buffer | null): void {
    this.socket.on("data", this.#onData);
    this.socket.on("end", this.#onEnd);
    // What broke the connection is followed by `close`, which is where it is dealt with.
    this.socket.on("error", () => {});
    this.socket.on("close", () => {
      this.#onEnd();
      this.#events.onClosed(this);
    });
    if (first !== null) this.#onData(first);
  }

  /** Bytes that wait for the peer. */
  get queuedBytes(): number {
    return this.#outgoing.queuedBytes;
  }

  send(type: string, payload: unknown, trace_id = ""): void {
    this.#outgoing.send(encode(type, payload, trace_id));
  }

  sendEncoded(message: Buffer): void {
    this.#outgoing.send(message);
  }

  broadcast(topic: Topic, message: Buffer, now: number): void {
    this.#outgoing.broadcast(topic, message, now);
  }

  granted(grant: Grant, trace_id: string): void {
    this.send("pair_grant", grant, trace_id);
  }

  refused(refusal: Refusal, trace_id: string): void {
    this.send("pair_error", refusal, trace_id);
  }

  get principal(): string {
    return this.standing.principal.name;
  }

  /**
   * Reads no further until {@link resume}: an answer is being waited for. What has come already is
   * kept, and what the peer sends meanwhile stays with it.
   */
  hold(): void {
    this.#held = [];
    this.socket.pause();
  }

  resume(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const chunk of held) this.#onData(chunk);
    if (this.#held === null) this.socket.resume();
  }

  dismiss(reason: string): void {
    this.#events.onDismissed(this, reason);
  }

  /**
   * Ends our side after what is queued. What the peer still sends is read and thrown away: closing
   * over unread bytes would reset the connection, and the peer might lose our last word.
   */
  finish(): void {
    this.#reading = false;
    this.#framer = null;
    if (this.#held !== null) this.resume();
    if (this.socket.writable) this.socket.end();
  }

  /** Cuts the connection at once. */
  destroy(): void {
    this.#reading = false;
    this.visitor.destroy();
  }

  readonly #onData = (chunk: Buffer): void => {
    if (!this.#reading) return;
    if (this.#held !== null) {
      this.#held.push(chunk);
      return;
    }
    if (this.#framer === null) {
      if (isProxyHeader(chunk)) {
        const error =
          "found a PROXY header; allowed: one, from an address of proxy_protocol.trusted";
        this.#events.onBroken(this, new FrameError("not_json", error));
        return;
      }
      const start = chunk.findIndex((byte) => !isWhiteSpace(byte));
      if (start < 0) return;
      const first = chunk[start];
      if (first >= 0x41 && first <= 0x5a) {
        this.socket.off("data", this.#onData);
        this.socket.off("end", this.#onEnd);
        this.socket.unshift(chunk.subarray(start));
        this.#events.onHttp(this);
        return;
      }
      this.#framer = new MessageFramer({
        bytes_max: this.#limits.message_bytes_max,
        depth_max: this.#limits.message_depth_max,
      });
    }
    try {
      const done = this.#framer.push(chunk, this.#onMessage);
      if (done < chunk.length) this.#keep(chunk.subarray(done));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#events.onBroken(this, error);
    }
  };

  /** Keeps what stands behind a message that is being answered; behind a last one nothing is kept. */
  #keep(rest: Buffer): void {
    this.#held?.push(rest);
  }

  readonly #onMessage = (message: object, bytes: Uint8Array): boolean => {
    const envelope = readEnvelope(message);
    if (envelope === null) throw new FrameError("not_json", "the type of a message is a string");
    this.#events.onMessage(this, envelope, { object: message, bytes });
    return this.#reading && this.#held === null;
  };

  readonly #onEnd = (): void => {
    if (this.#ended) return;
    this.#ended = true;
    this.#events.onEnded(this);
  };
}

/**
 * Whether somebody who is not trusted as a proxy begins like one. It would pass for HTTP or for
 * white space, and whoever has forgotten to list a proxy should find that in the log.
 */
function isProxyHeader(bytes: Buffer): boolean {
  const { type } = readProxyHeader(bytes);
  return type === "header" || type === "invalid";
}
