/**
 * snet on the gateway's side, by the documentation: sessions that outlive their sockets. The cipher
 * and the key agreement are shared with the code under test, which has vectors for them; the rest is
 * written apart. It keeps all that it ever sent, and can be told to refuse, or to forget.
 */
import { Buffer } from "node:buffer";
import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { publicKeyOf, sharedSecret } from "../../clients/fastway/wire/dh64.ts";
import { Rc4 } from "../../clients/fastway/wire/rc4.ts";
import type { PeerStream, StreamOwner } from "./fastway-gateway.ts";

export interface SnetManner {
  encrypt: boolean;
}

type Arrive = (stream: PeerStream) => StreamOwner;

const md5 = (...parts: Uint8Array[]) => createHash("md5").update(Buffer.concat(parts)).digest();

function u64(...values: (bigint | number)[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, at) => bytes.writeBigUInt64LE(BigInt(value), 8 * at));
  return bytes;
}

class Session implements PeerStream {
  readonly id: number;
  readonly key: Buffer;
  readonly sending: Rc4;
  readonly receiving: Rc4;
  owner: StreamOwner | null = null;
  socket: Socket | null = null;
  read_bytes = 0;
  /** All that was ever sent, as it was sent. */
  sent = Buffer.alloc(1 << 16);
  sent_bytes = 0;
  readonly #encrypt: boolean;
  readonly #ended: () => void;

  constructor(id: number, key: Buffer, encrypt: boolean, ended: () => void) {
    this.id = id;
    this.key = key;
    this.sending = new Rc4(key);
    this.receiving = new Rc4(key);
    this.#encrypt = encrypt;
    this.#ended = ended;
  }

  write(bytes: Uint8Array): void {
    const copy = Buffer.from(bytes);
    if (this.#encrypt) this.sending.applyInPlace(copy);
    while (this.sent.length < this.sent_bytes + copy.length) {
      this.sent = Buffer.concat([this.sent, Buffer.alloc(this.sent.length)]);
    }
    copy.copy(this.sent, this.sent_bytes);
    this.sent_bytes += copy.length;
    this.socket?.write(copy);
  }

  end(): void {
    this.socket?.destroy();
    this.#ended();
  }

  take(bytes: Buffer): void {
    this.read_bytes += bytes.length;
    const copy = Buffer.from(bytes);
    if (this.#encrypt) this.receiving.applyInPlace(copy);
    if (copy.length > 0) this.owner!.bytes(copy);
  }
}

export class SnetSessions {
  /** Answers returns with 24 zeros. */
  refuses_returns = false;
  /** Closes returns without a word, as when the gateway is not there. */
  is_unreachable = false;
  /** What it says that it has read. */
  read_claim = (read_bytes: number) => read_bytes;
  returns = 0;
  readonly #encrypt: boolean;
  readonly #sessions = new Map<number, Session>();
  #last = 0;

  constructor({ encrypt }: SnetManner) {
    this.#encrypt = encrypt;
  }

  get count(): number {
    return this.#sessions.size;
  }

  stop(): void {
    this.#sessions.clear();
  }

  take(socket: Socket, arrive: Arrive): void {
    let got = Buffer.alloc(0);
    let step: (bytes: Buffer) => number = (bytes) => {
      if (bytes.length === 0) return 0;
      if (bytes[0] === 0xff && this.is_unreachable) socket.destroy();
      else step = bytes[0] === 0 ? this.#new(socket, arrive, next) : this.#return(socket, next);
      return 1;
    };
    const next = (then: (bytes: Buffer) => number) => step = then;
    socket.on("data", (bytes: Buffer) => {
      got = Buffer.concat([got, bytes]);
      for (let used = step(got); used > 0; used = step(got)) got = got.subarray(used);
    });
  }

  #new(socket: Socket, arrive: Arrive, next: (then: (bytes: Buffer) => number) => void) {
    return (bytes: Buffer): number => {
      if (bytes.length < 8) return 0;
      const private_key = randomBytes(8).readBigUInt64LE() | 1n;
      const key = u64(sharedSecret(private_key, bytes.readBigUInt64LE()));
      const id = ++this.#last;
      const session = new Session(id, key, this.#encrypt, () => this.#sessions.delete(id));
      const number = u64(id);
      session.sending.applyInPlace(number);
      const challenge = randomBytes(8);
      socket.write(Buffer.concat([u64(publicKeyOf(private_key)), number, challenge]));
      next((proof) => {
        if (proof.length < 16) return 0;
        if (!md5(challenge, key).equals(proof.subarray(0, 16))) return socket.destroy(), 0;
        this.#sessions.set(id, session);
        next(this.#attach(socket, session));
        session.owner = arrive(session);
        return 16;
      });
      return 8;
    };
  }

  #return(socket: Socket, next: (then: (bytes: Buffer) => number) => void) {
    return (bytes: Buffer): number => {
      if (bytes.length < 40) return 0;
      this.returns++;
      const [id, written, read] = [0, 8, 16].map((at) => Number(bytes.readBigUInt64LE(at)));
      const session = this.#sessions.get(id);
      const is_right = session && !this.refuses_returns && written >= session.read_bytes &&
        read <= session.sent_bytes &&
        md5(bytes.subarray(0, 24), session.key).equals(bytes.subarray(24, 40));
      if (!is_right) {
        socket.end(Buffer.alloc(24));
        return 40;
      }
      const challenge = randomBytes(8);
      // The old socket is over, whatever it still had: what was read of it must not change any more.
      session.socket?.destroy();
      session.socket = null;
      socket.write(
        Buffer.concat([u64(session.sent_bytes, this.read_claim(session.read_bytes)), challenge]),
      );
      const { sent_bytes } = session;
      next((proof) => {
        if (proof.length < 16) return 0;
        if (!md5(challenge, session.key).equals(proof.subarray(0, 16))) return socket.destroy(), 0;
        next(this.#attach(socket, session));
        socket.write(session.sent.subarray(read, Math.max(sent_bytes, session.sent_bytes)));
        return 16;
      });
      return 40;
    };
  }

  #attach(socket: Socket, session: Session): (bytes: Buffer) => number {
    session.socket = socket;
    socket.on("close", () => {
      if (session.socket === socket) session.socket = null;
    });
    return (bytes) => {
      if (session.socket !== socket) return 0;
      session.take(bytes);
      return bytes.length;
    };
  }
}
