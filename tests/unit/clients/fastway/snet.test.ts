/** RC4, the key agreement and the messages of snet, against vectors that others have made. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import {
  newAnswer,
  newPrivateKey,
  newRequest,
  provenOfReturn,
  publicKeyOf,
  Rc4,
  readNewAnswer,
  readNewRequest,
  readReturnAnswer,
  readReturnRequest,
  refusedAnswer,
  returnAnswer,
  returnRequest,
  sharedSecret,
  snetKey,
  snetProof,
} from "../../../../clients/fastway/wire/mod.ts";
import { announcedRandom } from "../../../harness/random.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const text = (value: string) => Buffer.from(value);

const secret = 0xf0833d65f38bfeb3n;
const key = snetKey(secret);
const challenge = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);

test("RC4 makes what it is known to make", () => {
  const vectors = [
    { key: "Key", plain: "Plaintext", cipher: "bbf316e8d940af0ad3" },
    { key: "Wiki", plain: "pedia", cipher: "1021bf0420" },
    { key: "Secret", plain: "Attack at dawn", cipher: "45a01f645fc35b383552544b9bf5" },
  ];
  for (const vector of vectors) {
    const bytes = Buffer.from(vector.plain);
    new Rc4(text(vector.key)).applyInPlace(bytes);
    expect(hex(bytes)).toBe(vector.cipher);
  }
});

test("a keystream goes on wherever it is cut, in place or into another place", () => {
  const random = announcedRandom("RC4 in pieces");
  const plain = random.bytes(4096);
  const whole = Buffer.from(plain);
  new Rc4(key).applyInPlace(whole);
  const pieces = Buffer.alloc(plain.length + 7);
  const cipher = new Rc4(key);
  for (let at = 0; at < plain.length;) {
    const to = Math.min(plain.length, at + random.int(0, 300));
    cipher.apply(plain, at, to, pieces, at + 7);
    at = to;
  }
  expect(hex(pieces.subarray(7))).toBe(hex(whole));
  const back = new Rc4(key);
  back.applyInPlace(whole, 0, 1000);
  back.applyInPlace(whole, 1000);
  expect(hex(whole)).toBe(hex(plain));
});

test("two keys come to the same secret, as the specification's vector has it", () => {
  const [one, other] = [0x1111111122222222n, 0x3333333344444444n];
  expect(publicKeyOf(one)).toBe(0x8e1cc11a157c23d7n);
  expect(publicKeyOf(other)).toBe(0xc187064032d40bf4n);
  expect(sharedSecret(one, publicKeyOf(other))).toBe(secret);
  expect(sharedSecret(other, publicKeyOf(one))).toBe(secret);
  for (let i = 0; i < 20; i++) {
    const [mine, theirs] = [newPrivateKey(), newPrivateKey()];
    expect(mine > 0n && mine < 1n << 64n).toBe(true);
    expect(sharedSecret(mine, publicKeyOf(theirs))).toBe(sharedSecret(theirs, publicKeyOf(mine)));
  }
});

test("the key, a number of a session under it, and a proof are the specification's", () => {
  expect(hex(key)).toBe("b3fe8bf3653d83f0");
  const id = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);
  new Rc4(key).applyInPlace(id);
  expect(hex(id)).toBe("da895dda1e00e20b");
  expect(hex(snetProof(challenge, key))).toBe("6bb9625b6937edd0310d9963724a745b");
});

test("a new session's messages have their bytes where they belong", () => {
  const request = newRequest(0x0102030405060708n);
  expect(hex(request)).toBe("00" + "0807060504030201");
  expect(readNewRequest(request)).toEqual({ public_key: 0x0102030405060708n });
  const encrypted_id = Uint8Array.from(Buffer.from("da895dda1e00e20b", "hex"));
  const answer = newAnswer({ public_key: 0xc187064032d40bf4n, encrypted_id, challenge });
  expect(hex(answer)).toBe("f40bd432400687c1" + "da895dda1e00e20b" + "0102030405060708");
  expect(readNewAnswer(answer)).toEqual({
    public_key: 0xc187064032d40bf4n,
    encrypted_id,
    challenge,
  });
});

test("a return's messages have their bytes where they belong", () => {
  const request = returnRequest({ id: 1n, written: 0x1122n, read: 1n << 62n, key });
  const proven = "0100000000000000" + "2211000000000000" + "0000000000000040";
  const proof = createHash("md5").update(Buffer.from(proven + hex(key), "hex")).digest();
  expect(hex(request)).toBe("ff" + proven + hex(proof));
  expect(hex(provenOfReturn(request))).toBe(proven);
  const { id, written, read, proof: given } = readReturnRequest(request);
  expect([id, written, read, hex(given)]).toEqual([1n, 0x1122n, 1n << 62n, hex(proof)]);

  const answer = returnAnswer({ written: 5n, read: 6n, challenge });
  expect(hex(answer)).toBe("0500000000000000" + "0600000000000000" + "0102030405060708");
  expect(readReturnAnswer(answer)).toEqual({ written: 5n, read: 6n, challenge });
});

test("an answer of 24 zero bytes, and no other, is a refusal", () => {
  expect(hex(refusedAnswer())).toBe("00".repeat(24));
  expect(readReturnAnswer(refusedAnswer())).toBeNull();
  for (let at = 0; at < 24; at++) {
    const answer = refusedAnswer();
    answer[at] = 1;
    expect(readReturnAnswer(answer)).not.toBeNull();
  }
});
