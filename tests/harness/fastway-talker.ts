/**
 * An endpoint that talks at random without waiting for anybody, and keeps account: with many of them
 * at once nobody can say what comes when, but what cannot be is known, and so is what must add up.
 */
import { Buffer } from "node:buffer";
import { turn } from "./deadline.ts";
import { close, data, dial, type Frame } from "./fastway-frames.ts";
import { FastwayPeer } from "./fastway-peer.ts";
import type { Random } from "./random.ts";

/** One side of a virtual connection. */
export interface Account {
  sent: number;
  received: number;
  /** How often the gateway has said that it is closed. */
  closes: number;
  /** What it had sent when it closed the connection itself, as far as it knew the first to do so. */
  sent_before_close: number | null;
  /** What the gateway told as the other end. */
  remote_id: number;
}

const HEAD_BYTES = 8;

export interface TalkerOptions {
  random: Random;
  /** Whom it dials; some of them need not be there. */
  remotes: readonly number[];
  body_bytes_max?: number;
}

export class Talker {
  readonly accounts = new Map<number, Account>();
  /** What has come that cannot be. */
  readonly faults: string[] = [];
  accepted = 0;
  refused = 0;
  readonly #options: TalkerOptions;
  /** Dials without an answer. Workers may answer each in its own time. */
  readonly #dialled: number[] = [];
  readonly #open: number[] = [];
  readonly #over: number[] = [];
  #peer!: FastwayPeer;

  constructor(options: TalkerOptions) {
    this.#options = options;
  }

  /** For the peer's options. */
  readonly listener = (frame: Frame): void => this.#take(frame);

  /** The connection that it talks by. */
  start(peer: FastwayPeer): void {
    this.#peer = peer;
  }

  /** Ids that are not closed, as far as it has heard. */
  get open(): readonly number[] {
    return [...this.#open];
  }

  get peer(): FastwayPeer {
    return this.#peer;
  }

  /** Dials that have not been answered. */
  get unanswered(): number {
    return this.#dialled.length;
  }

  /** So many writes of one to twenty frames each, as fast as it can. */
  async talk(writes: number): Promise<void> {
    const { random } = this.#options;
    for (let left = writes; left > 0; left--) {
      const frames = Array.from({ length: random.int(1, 20) }, () => this.#frame());
      this.#peer.sendCarelessly(Buffer.concat(frames));
      // A ping, whose echo comes in its turn with those that somebody waits for.
      if (random.next() < 0.1) this.#peer.settled().catch(() => {});
      if (random.next() < 0.3) await turn();
    }
  }

  #frame(): Buffer {
    const { random, remotes } = this.#options;
    const roll = random.next();
    if (roll < 0.1 || this.#open.length === 0) {
      const remote_id = random.pick(remotes);
      this.#dialled.push(remote_id);
      return dial(remote_id);
    }
    if (roll < 0.14) return this.#close(random.pick(this.#open));
    if (roll < 0.16 && this.#over.length > 0) return this.#data(random.pick(this.#over));
    return this.#data(random.pick(this.#open));
  }

  #close(conn_id: number): Buffer {
    const account = this.accounts.get(conn_id)!;
    account.sent_before_close ??= account.sent;
    return close(conn_id);
  }

  #data(conn_id: number): Buffer {
    const { random, body_bytes_max = 400 } = this.#options;
    const account = this.accounts.get(conn_id)!;
    const body = Buffer.alloc(
      random.int(HEAD_BYTES, body_bytes_max),
      filling(conn_id, account.sent),
    );
    body.writeUInt32LE(conn_id, 0);
    body.writeUInt32LE(account.sent++, 4);
    return data(conn_id, body);
  }

  #take(frame: Frame): void {
    switch (frame.type) {
      case "accept":
        this.#answered(frame.remote_id);
        this.accepted++;
        return this.#opened(frame.conn_id, frame.remote_id);
      case "connect":
        return this.#opened(frame.conn_id, frame.remote_id);
      case "refuse":
        this.#answered(frame.remote_id);
        this.refused++;
        return;
      case "close":
        return this.#closed(frame.conn_id);
      case "data":
        return this.#received(frame.conn_id, frame.body);
    }
  }

  #answered(remote_id: number): void {
    const at = this.#dialled.indexOf(remote_id);
    if (at < 0) this.#fault(`an answer for ${remote_id}, which was not dialled`);
    else this.#dialled.splice(at, 1);
  }

  #opened(conn_id: number, remote_id: number): void {
    if (this.accounts.has(conn_id)) this.#fault(`${conn_id} has been opened twice`);
    this.accounts.set(conn_id, {
      sent: 0,
      received: 0,
      closes: 0,
      sent_before_close: null,
      remote_id,
    });
    this.#open.push(conn_id);
  }

  #closed(conn_id: number): void {
    const account = this.accounts.get(conn_id);
    if (!account) return this.#fault(`${conn_id} is closed, which never was opened`);
    if (account.closes++ > 0) return;
    this.#open.splice(this.#open.indexOf(conn_id), 1);
    this.#over.push(conn_id);
  }

  #received(conn_id: number, body: Buffer): void {
    const account = this.accounts.get(conn_id);
    if (!account || account.closes > 0) return this.#fault(`data on ${conn_id}, which is not open`);
    const number = body.length < HEAD_BYTES ? -1 : body.readUInt32LE(4);
    if (number !== account.received || body.readUInt32LE(0) !== conn_id) {
      return this.#fault(`message ${number} on ${conn_id} where ${account.received} was due`);
    }
    const byte = filling(conn_id, number);
    for (let at = HEAD_BYTES; at < body.length; at++) {
      if (body[at] !== byte) return this.#fault(`message ${number} on ${conn_id} has changed`);
    }
    account.received++;
  }

  #fault(what: string): void {
    this.faults.push(`${this.#peer.name}: ${what}`);
  }
}

function filling(conn_id: number, number: number): number {
  return Math.imul(conn_id, 31) + Math.imul(number, 7) & 0xff;
}

/**
 * What does not add up between talkers that have nothing more to get. Each side of an ended virtual
 * connection has one Close; and each message was passed on, or came too late and was answered with a
 * Close more. Whoever closes alone has had all passed on that it sent before.
 */
export function discrepancies(talkers: readonly Talker[]): string[] {
  const found = talkers.flatMap(({ faults }) => faults);
  const sides = new Map<number, { talker: Talker; account: Account }[]>();
  for (const talker of talkers) {
    if (talker.unanswered > 0) found.push(`${talker.peer.name}: ${talker.unanswered} unanswered`);
    for (const [conn_id, account] of talker.accounts) {
      const others = sides.get(conn_id) ?? [];
      others.push({ talker, account });
      sides.set(conn_id, others);
    }
  }
  for (const [conn_id, both] of sides) {
    if (both.length !== 2) {
      found.push(`${both.length} sides know of ${conn_id}`);
      continue;
    }
    const is_over = both.some(({ account }) => account.closes > 0);
    for (const [one, other] of [both, both.toReversed()]) {
      const wrong = discrepancy(one.account, other.account, is_over);
      if (wrong) found.push(`${one.talker.peer.name}: ${wrong}, ${conn_id}`);
    }
  }
  return found;
}

function discrepancy(
  { sent, closes, sent_before_close }: Account,
  other: Account,
  is_over: boolean,
): string | null {
  const lost = sent - other.received;
  const said = `${closes} closes, ${sent} sent, ${other.received} arrived`;
  if (!is_over) return closes === 0 && lost === 0 ? null : `${said}, though it is open`;
  if (closes !== 1 + lost) return said;
  if (sent_before_close === null || other.sent_before_close !== null) return null;
  return other.received === sent_before_close
    ? null
    : `${said}, ${sent_before_close} before it closed`;
}
