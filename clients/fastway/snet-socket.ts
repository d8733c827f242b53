/**
 * snet on the side that connects: a stream that outlives its sockets. When one is lost, another is
 * tried at once and then every `retry_interval_ms`, until `wait_timeout_ms` have passed. The wire is in
 * wire/snet.ts.
 *
 * The gateway tells what it has read only when a connection returns. So that what has to be kept is
 * bounded all the same, the endpoint pings it now and then, and an answered ping says that everything
 * before it has arrived: what is kept is what no ping has acknowledged. While reading is paused (see
 * `when_full`) the answers are not read, and the last `buffer_bytes` are kept.
 */
import type { Socket } from "node:net";
import { FastwayError } from "./errors.ts";
import type { Target } from "./open-socket.ts";
import type { SnetSettings } from "./options.ts";
import { Replay } from "./replay.ts";
import { SnetHandshake } from "./snet-handshake.ts";
import { endSocket, plainBytes, SocketWriter } from "./socket-writer.ts";
import type { Transport, TransportOwner } from "./transport.ts";
import {
  newPrivateKey,
  newRequest,
  publicKeyOf,
  Rc4,
  readNewAnswer,
  readReturnAnswer,
  returnRequest,
  sharedSecret,
  snetKey,
  snetProof,
} from "./wire/mod.ts";

/** What the first handshake has brought. */
interface Session {
  id: bigint;
  key: Uint8Array;
  sending: Rc4;
  receiving: Rc4;
}

export class SnetSocket implements Transport {
  readonly #target: Target;
  readonly #settings: SnetSettings;
  readonly #replay: Replay;
  #owner: TransportOwner | null = null;
  #session: Session | null = null;
  #handshake: SnetHandshake | null = null;
  #socket: Socket | null = null;
  #writer: SocketWriter | null = null;
  #retry: ReturnType<typeof setTimeout> | null = null;
  #read_bytes = 0;
  /** From here on the gateway has to get again what was written. */
  #resume_at = 0;
  /** When the connection was lost. */
  #lost_ms = 0;
  #is_paused = false;

  constructor({ target, settings }: { target: Target; settings: SnetSettings }) {
    this.#target = target;
    this.#settings = settings;
    this.#replay = new Replay({ bytes_max: settings.buffer_bytes });
  }

  /**
   * All that no ping has acknowledged. While reading is paused no answers are read, and whoever waited
   * for them in order to read on would wait for ever: then it is what the kernel has not taken.
   */
  get waiting_bytes(): number {
    if (this.#is_paused && this.#writer) return this.#writer.waiting_bytes;
    return this.#replay.unacknowledged_bytes;
  }

  get written_bytes(): number {
    return this.#replay.written_bytes;
  }

  get unacknowledged_max(): number {
    return this.#replay.bytes_max;
  }

  start(owner: TransportOwner): void {
    this.#owner = owner;
    const private_key = newPrivateKey();
    this.#handshake = new SnetHandshake({
      target: this.#target,
      timeout_ms: this.#settings.init_timeout_ms,
      request: () => newRequest(publicKeyOf(private_key)),
      prove: (bytes) => {
        const answer = readNewAnswer(bytes);
        if (answer.public_key === 0n) throw refusedError("its public key is 0");
        const key = snetKey(sharedSecret(private_key, answer.public_key));
        const receiving = new Rc4(key);
        // The keystream begins with the session's number, whether what follows is encrypted or not.
        receiving.applyInPlace(answer.encrypted_id);
        const id = new DataView(answer.encrypted_id.buffer).getBigUint64(0, true);
        this.#session = { id, key, sending: new Rc4(key), receiving };
        return snetProof(answer.challenge, key);
      },
      done: (socket, rest) => {
        this.#attach(socket);
        this.#owner?.transportOpen();
        this.#take(rest);
      },
      failed: (error) => this.#over(error),
    });
  }

  write(pieces: Uint8Array[]): void {
    if (!this.#owner || !this.#session) return;
    for (const piece of pieces) {
      if (this.#settings.encrypt) this.#session.sending.applyInPlace(piece);
      this.#replay.push(piece);
    }
    this.#writer?.write(pieces);
    if (this.#is_paused) this.#forget();
  }

  acknowledge(written_bytes: number): void {
    this.#replay.acknowledge(written_bytes);
    this.#owner?.transportDrained();
  }

  pause(): void {
    this.#is_paused = true;
    this.#socket?.pause();
    this.#owner?.transportDrained();
  }

  resume(): void {
    this.#is_paused = false;
    this.#socket?.resume();
  }

  suspect(): void {
    if (this.#socket) this.#lose(this.#socket);
  }

  end(): Promise<void> {
    const socket = this.#socket;
    this.#socket = null;
    this.destroy();
    return socket ? endSocket(socket) : Promise.resolve();
  }

  destroy(): void {
    this.#owner = null;
    this.#handshake?.cancel();
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#socket?.destroy();
    this.#socket = null;
    this.#writer = null;
  }

  #attach(socket: Socket): void {
    this.#handshake = null;
    this.#socket = socket;
    this.#writer = new SocketWriter({ socket, drained: () => this.#drained() });
    socket.on("data", (bytes) => {
      if (this.#socket === socket) this.#take(plainBytes(bytes));
    });
    socket.on("end", () => this.#lose(socket));
    socket.on("close", () => this.#lose(socket));
    if (this.#is_paused) socket.pause();
  }

  #take(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#read_bytes += bytes.length;
    if (this.#settings.encrypt) this.#session!.receiving.applyInPlace(bytes);
    this.#owner?.transportBytes(bytes);
  }

  #drained(): void {
    if (this.#is_paused) this.#owner?.transportDrained();
  }

  /**
   * While nothing is acknowledged, only the end of what the kernel has taken is kept; the gateway, which
   * reads all the time, has the rest most likely.
   */
  #forget(): void {
    if (!this.#writer) return;
    const { written_bytes, bytes_max } = this.#replay;
    this.#replay.acknowledge(written_bytes - Math.max(bytes_max, this.#writer.waiting_bytes));
  }

  #lose(socket: Socket): void {
    if (this.#socket !== socket || !this.#owner) return;
    this.#socket = null;
    this.#writer = null;
    socket.destroy();
    this.#lost_ms = performance.now();
    this.#owner.transportAway();
    this.#return();
  }

  #return(): void {
    const session = this.#session;
    if (!this.#owner || !session) return;
    this.#retry = null;
    const { init_timeout_ms } = this.#settings;
    this.#handshake = new SnetHandshake({
      target: this.#target,
      timeout_ms: Math.max(1, Math.min(init_timeout_ms, this.#rest_ms())),
      request: () =>
        returnRequest({
          id: session.id,
          key: session.key,
          written: BigInt(this.#replay.written_bytes),
          read: BigInt(this.#read_bytes),
        }),
      prove: (answer) => snetProof(this.#agree(answer), session.key),
      done: (socket, rest) => this.#back(socket, rest),
      failed: (error, is_final) => this.#failed(error, is_final),
    });
  }

  /** Checks the gateway's counts, and answers its challenge. */
  #agree(bytes: Uint8Array): Uint8Array {
    const answer = readReturnAnswer(bytes);
    if (answer === null) throw refusedError("it does not know it, or not as it was left");
    if (answer.written < BigInt(this.#read_bytes)) {
      throw refusedError(`it has written ${answer.written} bytes, and we have read more`);
    }
    const { from, written_bytes } = this.#replay;
    if (answer.read > BigInt(written_bytes) || !this.#replay.reaches(Number(answer.read))) {
      throw refusedError(
        `it has read ${answer.read} bytes, and we can go on from ${from} to ${written_bytes}`,
      );
    }
    this.#resume_at = Number(answer.read);
    this.#replay.acknowledge(this.#resume_at);
    return answer.challenge;
  }

  #back(socket: Socket, rest: Uint8Array): void {
    this.#attach(socket);
    this.#writer?.write(this.#replay.since(this.#resume_at));
    this.#owner?.transportBack();
    this.#owner?.transportDrained();
    this.#take(rest);
  }

  #failed(error: FastwayError, is_final: boolean): void {
    this.#handshake = null;
    if (is_final) return this.#over(error);
    const { retry_interval_ms, wait_timeout_ms } = this.#settings;
    if (this.#rest_ms() > retry_interval_ms) {
      this.#retry = setTimeout(() => this.#return(), retry_interval_ms);
      return;
    }
    this.#over(
      new FastwayError(
        "snet_timeout",
        `The gateway could not be reached again within ${wait_timeout_ms} ms: ${error.message}`,
        { cause: error },
      ),
    );
  }

  /** How long the gateway is still looked for. */
  #rest_ms(): number {
    return this.#settings.wait_timeout_ms - (performance.now() - this.#lost_ms);
  }

  #over(error: FastwayError): void {
    const owner = this.#owner;
    this.destroy();
    owner?.transportOver(error);
  }
}

function refusedError(why: string): FastwayError {
  return new FastwayError("snet_refused", `The gateway does not go on with the session: ${why}`);
}
