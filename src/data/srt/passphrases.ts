/**
 * The passphrases that single streams and sessions have on the shared ports. libsrt knows one per
 * listener; the others are set by our hook inside libsrt during the handshake, by the name in the
 * stream id. Here is what it is told, and what must have come of it when the connection is accepted.
 */
import { type HookedKind, type Libsrt, ListenHook } from "../../../ffi/libsrt/mod.ts";
import type { StreamId } from "./stream-id.ts";

/** How a connection must be encrypted. */
export interface EncryptionRule {
  encrypted: boolean;
  /** Whose passphrase it is where that is not the port's: `the stream "cam"`, `the session`; or "". */
  whose: string;
  /** The handshake was made with the passphrase that the rule means. */
  fits: boolean;
}

/** The rule of a port whose listener has one passphrase, or none, for whoever comes. */
export function ruleOfPort(passphrase: string): EncryptionRule {
  return { encrypted: passphrase !== "", whose: "", fits: true };
}

export interface PassphraseRules {
  /** Of the shared ports; empty is none. */
  passphrase: string;
  /** Bytes. */
  pbkeylen: number;
}

export class Passphrases {
  /** Null where the library is not the one that relayx carries. */
  readonly #hook: ListenHook | null;
  #pbkeylen = 16;
  #ports_encrypted = false;
  /** The hook's number of each entry, by what it is for. */
  readonly #entries: Readonly<Record<HookedKind, Map<string, number>>> = {
    stream: new Map(),
    session: new Map(),
  };

  constructor({ libsrt, ...rules }: PassphraseRules & { libsrt: Libsrt }) {
    this.#hook = libsrt.listenHook && new ListenHook({ calls: libsrt.listenHook });
    this.apply(rules);
  }

  /** For the handshakes to come; entries keep the length of key that they were set with. */
  apply({ passphrase, pbkeylen }: PassphraseRules): void {
    this.#pbkeylen = pbkeylen;
    this.#ports_encrypted = passphrase !== "";
  }

  /** Has a shared port's listener give each caller the passphrase of what it names. */
  attach(listener: number): void {
    if (this.#hook && !this.#hook.attach(listener)) {
      throw new Error("libsrt does not take the hook that sets passphrases (srt_listen_callback)");
    }
  }

  /**
   * Gives a stream or session a passphrase of its own, for the handshakes from now on; those who are
   * connected stay. Throws {@link PassphrasesError} where it cannot have one.
   */
  set(kind: HookedKind, name: string, passphrase: string): void {
    const what = { passphrase, pbkeylen: this.#pbkeylen };
    const entry = this.#hook?.set(kind, name, what) ?? 0;
    if (entry === 0) throw new PassphrasesError(this.#hook ? "full" : "unsupported");
    this.#entries[kind].set(name, entry);
  }

  /** The shared port's own passphrase applies again, or none. */
  delete(kind: HookedKind, name: string): void {
    if (this.#entries[kind].delete(name)) this.#hook?.delete(kind, name);
  }

  /** Whether a session has a passphrase that a caller only gets who names it in the stream id. */
  has(kind: HookedKind, name: string): boolean {
    return this.#entries[kind].has(name);
  }

  /**
   * The rule for an accepted socket that says this. The hook read the name before us, from packets of a
   * stranger and from a table that may have changed since: what it took is compared, not guessed.
   */
  ruleFor(socket: number, id: StreamId): EncryptionRule {
    const [kind, name] = id.type === "stream"
      ? ["stream", id.name] as const
      : ["session", id.type === "session" ? id.session_id : ""] as const;
    const entry = this.#entries[kind].get(name);
    return {
      encrypted: entry !== undefined || this.#ports_encrypted,
      whose: entry === undefined
        ? ""
        : kind === "stream"
        ? `the stream ${JSON.stringify(name)}`
        : "the session",
      fits: (this.#hook?.takenBy(socket) ?? 0) === (entry ?? 0),
    };
  }

  close(): void {
    this.#hook?.clear();
    for (const entries of Object.values(this.#entries)) entries.clear();
  }
}

/** A passphrase for a single stream or session cannot be had here. */
export class PassphrasesError extends Error {
  override name = "PassphrasesError";
  readonly code: "PASSPHRASES_FULL" | "PASSPHRASES_UNSUPPORTED";
  constructor(why: "full" | "unsupported") {
    super(
      why === "full"
        ? "as many streams and sessions on shared ports have a passphrase as there is room for, 16384"
        : "this libsrt knows one passphrase for a whole port; the one that relayx carries knows more",
    );
    this.code = why === "full" ? "PASSPHRASES_FULL" : "PASSPHRASES_UNSUPPORTED";
  }
}
