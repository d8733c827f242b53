/** What an endpoint says first, and the challenge that it may have to wait for. */
import type { ClientOptions, ServerOptions } from "./options.ts";
import { checkServerId, tokenBytes } from "./options.ts";
import {
  CHALLENGE_BYTES,
  HEAD_BYTES,
  LENGTH_BYTES,
  SERVER_HELLO_BYTES,
  serverProof,
  TOKEN,
  writeU32,
} from "./wire/mod.ts";

export interface Greeting {
  /** So many bytes come before the first frame. */
  challenge_bytes: number;
  /** What is sent before any frame. */
  answer(challenge: Uint8Array): Uint8Array;
}

/** A client says who it is, if it is asked for it, and nothing else. */
export function clientGreeting({ token }: ClientOptions): Greeting {
  const first = token === undefined ? new Uint8Array(0) : tokenFrame(tokenBytes(token));
  return { challenge_bytes: 0, answer: () => first };
}

export function serverGreeting({ id, key = "" }: ServerOptions): Greeting {
  checkServerId(id);
  const key_bytes = new TextEncoder().encode(key);
  return {
    challenge_bytes: CHALLENGE_BYTES,
    answer: (challenge) => {
      const hello = new Uint8Array(SERVER_HELLO_BYTES);
      const proof = serverProof(challenge, key_bytes);
      hello.set(proof);
      writeU32(hello, proof.length, id);
      return hello;
    },
  };
}

function tokenFrame(token: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + 1 + token.length);
  writeU32(bytes, 0, bytes.length - LENGTH_BYTES);
  writeU32(bytes, LENGTH_BYTES, 0);
  bytes[HEAD_BYTES] = TOKEN;
  bytes.set(token, HEAD_BYTES + 1);
  return bytes;
}
