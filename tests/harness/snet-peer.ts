/**
 * What a client of snet does with its bytes, written from the protocol's description for tests: the
 * cipher and the key agreement are those of the product, the messages and the counts are not. It keeps
 * all that it has ever sent, so that it can send any of it again.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { newPrivateKey, publicKeyOf, Rc4, sharedSecret } from "../../clients/fastway/wire/mod.ts";

const md5 = (...parts: Uint8Array[]) =>
  createHash("md5").update(Buffer.concat(parts)).digest() as Buffer;

function u64(...values: bigint[]): Buffer {
  const bytes = Buffer.alloc(8 * values.length);
  values.forEach((value, i) => bytes.writeBigUInt64LE(value, 8 * i));
  return bytes;
}

export class SnetPeer {
  id = 0n;
  /** Bytes of data, both as on the wire. */
  written = 0;
  read = 0;
  key: Buffer = Buffer.alloc(8);
  readonly #encrypts: boolean;
  readonly #private = newPrivateKey();
  readonly #sent: Buffer[] = [];
  #incoming: Rc4 | null = null;
  #outgoing: Rc4 | null = null;

  constructor({ encrypts }: { encrypts: boolean }) {
    this.#encrypts = encrypts;
  }

  hello(): Buffer {
    return Buffer.concat([Buffer.of(0x00), u64(publicKeyOf(this.#private))]);
  }

  /** The gateway's answer of 24 bytes has come: learns the session's number, proves itself. */
  prove(answer: Buffer): Buffer {
    this.key = u64(sharedSecret(this.#private, answer.readBigUInt64LE(0)));
    this.#incoming = new Rc4(this.key);
    this.#outgoing = new Rc4(this.key);
    const id = Buffer.from(answer.subarray(8, 16));
    this.#incoming.applyInPlace(id);
    this.id = id.readBigUInt64LE();
    return this.answerTo(answer.subarray(16, 24));
  }

  answerTo(challenge: Uint8Array): Buffer {
    return md5(challenge, this.key);
  }

  /** What goes over the wire for these bytes. */
  encode(bytes: Uint8Array): Buffer {
    const wire = Buffer.from(bytes);
    if (this.#encrypts) this.#outgoing!.applyInPlace(wire);
    this.#sent.push(wire);
    this.written += wire.length;
    return wire;
  }

  /** What these bytes from the wire say. */
  decode(wire: Uint8Array): Buffer {
    const bytes = Buffer.from(wire);
    if (this.#encrypts) this.#incoming!.applyInPlace(bytes);
    this.read += bytes.length;
    return bytes;
  }

  /** The request to return; with other counts or another key than it has, where they are given. */
  returnRequest(
    { id = this.id, written = BigInt(this.written), read = BigInt(this.read), key = this.key } = {},
  ): Buffer {
    const proven = u64(id, written, read);
    return Buffer.concat([Buffer.of(0xff), proven, md5(proven, key)]);
  }

  /** All that it has ever sent from this count on. */
  sentFrom(count: number): Buffer {
    return Buffer.concat(this.#sent).subarray(count);
  }

  /** The answer to a return has come: its proof, then what the gateway has not read. */
  resume(answer: Buffer): Buffer {
    const gateway_read = Number(answer.readBigUInt64LE(8));
    return Buffer.concat([this.answerTo(answer.subarray(16, 24)), this.sentFrom(gateway_read)]);
  }
}
