/**
 * Where an accepted SRT connection says who it is: by the stream id of its handshake, at once, or by
 * V4's hello, in time. A hello is a message of its own, or the head of the first, or spread over
 * several; what is behind its newline in the same message is the peer's first message.
 *
 *   accepted → encrypted as it must be → stream id, or a hello within `hello_timeout_ms` → claimed
 */
import {
  SRT_EASYNCRCV,
  SRT_KM_S_BADSECRET,
  SRT_KM_S_SECURED,
  SRT_KM_S_UNSECURED,
} from "../../../ffi/libsrt/mod.ts";
import type { AdmissionLimit } from "../admission.ts";
import { type Hello, parseHello, startsLikeHello } from "../hello.ts";
import type { RejectStatus } from "../plane.ts";
import { UnprovenConnections, type UnprovenOwner } from "../unproven.ts";
import { SrtConnection, type SrtConnectionOwner } from "./connection.ts";
import type { SrtContext } from "./context.ts";
import type { Accepted } from "./listeners.ts";
import type { EncryptionRule } from "./passphrases.ts";
import {
  parseStreamId,
  type SessionStreamId,
  type StreamId,
  type StreamStreamId,
} from "./stream-id.ts";

const NEWLINE = 10;

/** What a connection has said of itself; whether that is true is the owner's to check. */
export type Claim = { type: "hello"; hello: Hello } | SessionStreamId | StreamStreamId;

/** The port that the connections have come to. */
export interface EntranceOwner {
  /** How a socket that says this in its stream id must be encrypted. */
  ruleFor(socket: number, id: StreamId): EncryptionRule;
  claimed(connection: SrtConnection, claim: Claim): void;
  /** `id` is given where what it names decided it. */
  refused(remote: string, status: RejectStatus, detail: string, id?: StreamId): void;
  shed(remote: string, limit: AdmissionLimit | "banned"): void;
}

export class SrtEntrance implements SrtConnectionOwner, UnprovenOwner<SrtConnection> {
  readonly #context: SrtContext;
  readonly #owner: EntranceOwner;
  readonly #free_text: "hello" | "refused";
  readonly #unproven: UnprovenConnections<SrtConnection>;

  constructor(options: {
    context: SrtContext;
    owner: EntranceOwner;
    /** A stream id in no form that is known: a V4 client may have one, which means nothing. */
    free_text: "hello" | "refused";
  }) {
    const { context } = options;
    this.#context = context;
    this.#owner = options.owner;
    this.#free_text = options.free_text;
    this.#unproven = new UnprovenConnections({
      admission: context.admission,
      wheel: context.wheel,
      settings: context.settings,
      owner: this,
    });
  }

  accept(accepted: Accepted): void {
    const { libsrt, poller, now_ms } = this.#context;
    const limit = this.#unproven.admit(accepted.address);
    if (limit) {
      libsrt.srt_close(accepted.socket);
      return this.#owner.shed(accepted.remote, limit);
    }
    const connection = new SrtConnection({ ...accepted, libsrt, poller, owner: this });
    this.#unproven.add(connection, now_ms);
    const id = parseStreamId(
      libsrt.getBytes(connection.socket, "SRTO_STREAMID") ?? new Uint8Array(),
    );
    const lack = this.#lackOfEncryption(connection, id);
    if (lack !== null) return this.#refuse(connection, "encryption_error", lack, id);
    if (id.type === "invalid" || (id.type === "free" && this.#free_text === "refused")) {
      return this.#refuse(connection, "streamid_error", `the stream id: ${id.detail}`);
    }
    if (!connection.watch()) {
      return this.#refuse(connection, "hello_error", "the connection ended before its hello");
    }
    if (id.type === "session" || id.type === "stream") this.#claim(connection, id);
  }

  connectionReady(connection: SrtConnection): void {
    this.#readHello(connection);
  }

  helloOverdue(connection: SrtConnection): void {
    const { hello_timeout_ms } = this.#context.settings;
    this.#refuse(connection, "hello_error", `no complete hello within ${hello_timeout_ms} ms`);
  }

  /** Closes a connection, whose claim may have been wrong, and says why. */
  #refuse(connection: SrtConnection, status: RejectStatus, detail: string, id?: StreamId): void {
    this.#unproven.delete(connection);
    connection.close();
    this.#owner.refused(connection.remote, status, detail, id);
  }

  /** Closes whoever has said nothing yet and comes from where nobody may come from now. */
  dropBanned(): void {
    for (const connection of this.#unproven) {
      if (!this.#context.addresses.isBanned(connection.address)) continue;
      this.#unproven.delete(connection);
      connection.close();
      this.#owner.shed(connection.remote, "banned");
    }
  }

  /** Closes everybody who has said nothing yet. */
  close(): void {
    for (const connection of this.#unproven) {
      this.#unproven.delete(connection);
      connection.close();
    }
  }

  /** What is wrong with a connection's encryption; null where nothing is. */
  #lackOfEncryption({ socket }: SrtConnection, id: StreamId): string | null {
    const { encrypted, whose, fits } = this.#owner.ruleFor(socket, id);
    if (!fits) return "the handshake was made with the passphrase of another name, or an older one";
    const state = this.#context.libsrt.getInt(socket, "SRTO_KMSTATE");
    if (state === (encrypted ? SRT_KM_S_SECURED : SRT_KM_S_UNSECURED)) return null;
    const what = !encrypted
      ? "a passphrase, and this port has none"
      : state === SRT_KM_S_BADSECRET
      ? "a wrong passphrase"
      : "no passphrase";
    return `the peer has ${what}${whose && ` for ${whose}`}`;
  }

  #claim(connection: SrtConnection, claim: Claim): void {
    this.#unproven.delete(connection);
    this.#owner.claimed(connection, claim);
  }

  #readHello(connection: SrtConnection): void {
    const { libsrt, message, settings } = this.#context;
    for (;;) {
      const received = message.receive(connection.socket);
      if (received <= 0) {
        if (received < 0 && libsrt.lastError() === SRT_EASYNCRCV) return;
        return this.#refuse(connection, "hello_error", "the connection ended before its hello");
      }
      const bytes = join(connection.helloBytes, message.bytes.subarray(0, received));
      const end = bytes.indexOf(NEWLINE);
      const lineBytes = end < 0 ? bytes.length : end + 1;
      if (!startsLikeHello(bytes)) {
        const detail = 'the line does not start with "V4HELLO "';
        return this.#refuse(connection, "hello_error", detail);
      }
      if (lineBytes > settings.hello_bytes_max) {
        const detail = `no newline within ${settings.hello_bytes_max} bytes`;
        return this.#refuse(connection, "hello_error", detail);
      }
      if (end < 0) {
        connection.helloBytes = bytes.slice();
        continue;
      }
      connection.helloBytes = null;
      const hello = parseHello(bytes.subarray(0, end));
      if (typeof hello === "string") return this.#refuse(connection, "hello_error", hello);
      if (end + 1 < bytes.length) connection.firstMessage = bytes.slice(end + 1);
      return this.#claim(connection, { type: "hello", hello });
    }
  }
}

function join(head: Uint8Array | null, tail: Uint8Array): Uint8Array {
  if (!head) return tail;
  const whole = new Uint8Array(head.length + tail.length);
  whole.set(head);
  whole.set(tail, head.length);
  return whole;
}
