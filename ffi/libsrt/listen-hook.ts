/**
 * Passphrases for single streams and sessions behind one listener: the face of listen-hook.c, which
 * sets them during the handshake. Only the libsrt that `build.ts` links has it.
 */
import { Buffer } from "node:buffer";
import type { Calls } from "../backend/mod.ts";
import type { listenHookSymbols } from "./symbols.ts";

export type ListenHookCalls = Calls<typeof listenHookSymbols>;

/** What a stream id can name, by the letter that C puts in front of the name. */
const LETTERS = { stream: "r", session: "s" } as const;
export type HookedKind = keyof typeof LETTERS;

/** Room for the longest stream id, the letter and some air. */
const PARSED_BYTES = 520;

export class ListenHook {
  readonly #calls: ListenHookCalls;
  readonly #owner: number;

  constructor({ calls }: { calls: ListenHookCalls }) {
    this.#calls = calls;
    this.#owner = calls.listen_hook_owner();
  }

  /** Has the listener ask this table; before it listens. False where libsrt refuses. */
  attach(listener: number): boolean {
    return this.#calls.listen_hook_attach(listener, this.#owner) === 0;
  }

  /**
   * Sets the passphrase (10 to 79 bytes) and the length of the key made from it (bytes: 16, 24 or 32)
   * of a name, for all handshakes from now on. Answers the entry's number, a new one unless it was there
   * just so, or 0 where the table (16,384 names) is full or the name has more than 95 bytes.
   */
  set(
    kind: HookedKind,
    name: string,
    { passphrase, pbkeylen }: { passphrase: string; pbkeylen: number },
  ): number {
    const key = bytesOf(kind, name);
    const secret = Buffer.from(passphrase);
    return this.#calls.listen_hook_put(
      this.#owner,
      key,
      key.length,
      secret,
      secret.length,
      pbkeylen,
    );
  }

  delete(kind: HookedKind, name: string): void {
    const key = bytesOf(kind, name);
    this.#calls.listen_hook_remove(this.#owner, key, key.length);
  }

  clear(): void {
    this.#calls.listen_hook_clear(this.#owner);
  }

  /** The number of the entry that an accepted socket has its passphrase from; 0 is the listener's. */
  takenBy(socket: number): number {
    return this.#calls.listen_hook_taken(socket);
  }

  /** What C takes a stream id to name: a letter and the name, or nothing. */
  parse(stream_id: Uint8Array): Uint8Array {
    const name = new Uint8Array(PARSED_BYTES);
    // An empty view has no address on every runtime, and an empty id names nothing.
    if (stream_id.length === 0) return name.subarray(0, 0);
    return name.subarray(
      0,
      this.#calls.listen_hook_parse(stream_id, stream_id.length, name),
    );
  }
}

function bytesOf(kind: HookedKind, name: string): Uint8Array {
  return Buffer.from(`${LETTERS[kind]}${name}`);
}
