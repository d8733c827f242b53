/**
 * The handshake of one connection, a new session's or a return's; see the wire in `snet.ts`. It reads
 * exactly what is its own: what is behind is the session's and stays in the kernel.
 */
import { randomBytes, timingSafeEqual } from "node:crypto";
import {
  newAnswer,
  newPrivateKey,
  provenOfReturn,
  publicKeyOf,
  Rc4,
  readNewRequest,
  readReturnRequest,
  refusedAnswer,
  returnAnswer,
  sharedSecret,
  SNET_CHALLENGE_AT,
  SNET_KEY_BYTES,
  SNET_NEW,
  SNET_NEW_BYTES,
  SNET_PROOF_BYTES,
  SNET_RETURN,
  SNET_RETURN_BYTES,
  snetKey,
  snetProof,
} from "../../../../clients/fastway/wire/mod.ts";
import type { SnetSettings } from "../protocol.ts";
import type { Arrival } from "../stage.ts";
import { type Stream, STREAM_OVER, type StreamOwner, WOULD_BLOCK } from "../stream.ts";
import type { PendingReturn } from "./session.ts";
import { SnetSession } from "./session.ts";
import type { SnetStageOptions } from "./stage.ts";

const CHALLENGE_BYTES = 8;
/** Sessions have numbers of 32 bits, though the wire has room for 64. */
const IDS_END = 2n ** 32n;

/** What is expected next, how long it is, and what is done with it. */
interface Step {
  bytes: number;
  done: (message: Uint8Array) => void;
}

type SnetRefusal = "snet_error" | "snet_unknown";

/**
 * The arrival's stream for as long as the handshake goes on, so that whatever closes the arrival also
 * takes back what a return holds.
 */
export class SnetGreeting implements Stream, StreamOwner {
  owner: StreamOwner;
  readonly unsent_bytes = 0;
  readonly #options: Omit<SnetStageOptions, "settings">;
  readonly #settings: SnetSettings;
  readonly #arrival: Arrival;
  readonly #message = new Uint8Array(SNET_RETURN_BYTES);
  #count = 0;
  /** Null when the connection is a session's. */
  #step: Step | null = { bytes: 1, done: (message) => this.#begin(message[0]) };
  #returning: { session: SnetSession; pending: PendingReturn } | null = null;

  constructor(
    options: Omit<SnetStageOptions, "settings"> & { arrival: Arrival; settings: SnetSettings },
  ) {
    this.#options = options;
    this.#settings = options.settings;
    this.#arrival = options.arrival;
    this.owner = this;
  }

  start(): void {
    this.#take();
    this.#advance();
  }

  /** Goes on behind a return's request. */
  resume(request: Uint8Array): void {
    this.#take();
    this.#return(request);
    this.#advance();
  }

  streamReady(): void {
    this.#advance();
  }

  streamAway(): void {}
  streamBack(): void {}

  /** Nobody else reads or writes before the handshake is over. */
  read(): number {
    return WOULD_BLOCK;
  }

  write(): number {
    return WOULD_BLOCK;
  }

  dropConnection(): boolean {
    return false;
  }

  close(): void {
    this.#step = null;
    this.#arrival.socket.close();
    this.#forget();
  }

  #take(): void {
    const arrival = this.#arrival;
    const { init_timeout_ms } = this.#settings;
    arrival.allow(
      init_timeout_ms,
      "snet_error",
      `no complete snet handshake within ${init_timeout_ms} ms (*SnetInitTimeout)`,
    );
    arrival.stream = this;
    arrival.socket.owner = this;
  }

  /** Takes one step after the other for as long as there is something to read. */
  #advance(): void {
    const { pieces, scratch } = this.#options.context;
    const { socket } = this.#arrival;
    while (this.#step && !this.#arrival.is_over) {
      const { bytes, done } = this.#step;
      pieces.clear();
      pieces.add(scratch, 0, bytes - this.#count);
      const count = socket.read(pieces);
      if (count === WOULD_BLOCK) return;
      if (count === STREAM_OVER) {
        return this.#refuse("the connection ended in the snet handshake");
      }
      this.#message.set(scratch.bytes.subarray(0, count), this.#count);
      this.#count += count;
      if (this.#count === bytes) done(this.#message);
    }
  }

  #begin(first: number): void {
    if (first === SNET_NEW) {
      this.#step = { bytes: SNET_NEW_BYTES, done: (message) => this.#answerNew(message) };
    } else if (first === SNET_RETURN) {
      this.#step = { bytes: SNET_RETURN_BYTES, done: (message) => this.#return(message) };
    } else {
      const found = `0x${first.toString(16).padStart(2, "0")}`;
      this.#refuse(`first byte ${found}: 0x00 (new) and 0xff (return) begin snet`);
    }
  }

  #answerNew(message: Uint8Array): void {
    if (!this.#options.is_serving()) {
      return this.#arrival.refuse("draining", "the gateway takes no new connections");
    }
    const { public_key: theirs } = readNewRequest(message);
    if (theirs === 0n) return this.#refuse("a public key of 0");
    const mine = newPrivateKey();
    const key = snetKey(sharedSecret(mine, theirs));
    const id = this.#options.sessions.takeId();
    const encrypted_id = new Uint8Array(SNET_KEY_BYTES);
    new DataView(encrypted_id.buffer).setBigUint64(0, BigInt(id), true);
    new Rc4(key).applyInPlace(encrypted_id);
    const challenge = newChallenge();
    this.#challenge(newAnswer({ public_key: publicKeyOf(mine), encrypted_id, challenge }), {
      key,
      done: () => this.#open(id, key),
    });
  }

  #open(id: number, key: Uint8Array): void {
    const arrival = this.#arrival;
    const { context, sessions, next } = this.#options;
    const { socket } = arrival;
    const settings = this.#settings;
    this.#step = null;
    arrival.transport = arrival.transport === "tls" ? "tls+snet" : "snet";
    arrival.stream = new SnetSession({ context, settings, sessions, id, key, socket });
    next(arrival);
  }

  #return(message: Uint8Array): void {
    const { id, proof, ...counts } = readReturnRequest(message);
    const number = id < IDS_END ? Number(id) : -1;
    const { sessions, elsewhere } = this.#options;
    const session = sessions.find(number);
    if (!session) {
      const request = message.slice(0, SNET_RETURN_BYTES);
      if (number >= 0 && elsewhere?.(this.#arrival, number, request)) {
        this.#step = null;
        return;
      }
      return this.#refuseReturn(`return to session ${id}, which is not there`, "snet_unknown");
    }
    const { key } = session;
    if (!timingSafeEqual(proof, snetProof(provenOfReturn(message), key))) {
      return this.#refuseReturn(`return to session ${id} with a wrong proof`);
    }
    const told = session.counts;
    const pending = session.admitReturn(counts);
    if (typeof pending === "string") {
      return this.#refuseReturn(`return to session ${id}: ${pending}`);
    }
    this.#returning = { session, pending };
    this.#challenge(returnAnswer({ ...told, challenge: newChallenge() }), {
      key,
      done: () => this.#comeBack(session, pending),
    });
  }

  #comeBack(session: SnetSession, pending: PendingReturn): void {
    const arrival = this.#arrival;
    const { remote, address, socket } = arrival;
    if (session.is_over) {
      return this.#refuse(`return to session ${session.id}, which has ended`, "snet_unknown");
    }
    this.#step = null;
    this.#returning = null;
    arrival.handOver();
    session.takeOver(pending, { socket, remote, address });
  }

  /** Sends an answer that ends in a challenge, and awaits the proof. */
  #challenge(answer: Uint8Array, { key, done }: { key: Uint8Array; done: () => void }): void {
    const wanted = snetProof(answer.subarray(SNET_CHALLENGE_AT), key);
    this.#count = 0;
    this.#step = {
      bytes: SNET_PROOF_BYTES,
      done: (message) => {
        const proof = message.subarray(0, SNET_PROOF_BYTES);
        if (timingSafeEqual(proof, wanted)) return done();
        this.#refuse("a wrong answer to the challenge");
      },
    };
    if (!this.#send(answer)) this.#refuse("the connection broke in the snet handshake");
  }

  /** Without a word. */
  #refuse(detail: string, status: SnetRefusal = "snet_error"): void {
    this.#arrival.refuse(status, detail);
  }

  #refuseReturn(detail: string, status?: SnetRefusal): void {
    this.#send(refusedAnswer());
    this.#refuse(detail, status);
  }

  /** So few bytes always find room in a new socket; a connection that has none is broken. */
  #send(answer: Uint8Array): boolean {
    const { pieces, scratch } = this.#options.context;
    scratch.bytes.set(answer);
    pieces.clear();
    pieces.add(scratch, 0, answer.length);
    return this.#arrival.socket.write(pieces) === answer.length;
  }

  #forget(): void {
    const { session, pending } = this.#returning ?? {};
    this.#returning = null;
    if (session && pending) session.forgetReturn(pending);
  }
}

/** Never all zeros, which would be a refusal where nothing has been sent yet. */
function newChallenge(): Uint8Array {
  const challenge = randomBytes(CHALLENGE_BYTES);
  return challenge.some((byte) => byte !== 0) ? challenge : newChallenge();
}
