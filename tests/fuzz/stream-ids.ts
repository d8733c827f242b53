/** Stream ids as strangers may send them, for all who must read them alike. */
import { Buffer } from "node:buffer";
import type { Random } from "../harness/random.ts";

/** Pieces that the grammar is made of, so that most of the texts come close to it. */
const pieces = [
  "#!::",
  "#!:",
  "#!",
  ":",
  ",",
  "=",
  "%",
  "%2C",
  "%00",
  "%zz",
  "r=",
  "s=",
  "u=",
  "m=",
  "t=stream",
  "t=file",
  "key=",
  "secret=",
  "publish",
  "request",
  "read",
  "bidirectional",
  "__proto__",
  "constructor",
  "cam",
  "ü",
  "\u{1f3a5}",
  "\n",
  "\0",
  "\x7f",
  "\ufeff",
  "t=",
  "m=%70ublish",
  ",,",
  " ",
];

/** Where the forms of UTF-8 begin and end. */
const almostLetters = [
  0x00,
  0x41,
  0x7f,
  0x80,
  0x8f,
  0x90,
  0x9f,
  0xa0,
  0xbf,
  0xc1,
  0xc2,
  0xdf,
  0xe0,
  0xed,
  0xef,
  0xf0,
  0xf4,
  0xf5,
  0xff,
];

/** Bytes of a stranger, most of them near what is understood. */
export function almostStreamId(random: Random): Buffer {
  switch (random.int(0, 5)) {
    case 0:
      return random.bytes(random.int(0, 600));
    case 1:
      return Buffer.concat([
        Buffer.from(random.pick(["#!::", "publish:", "read:"])),
        random.bytes(random.int(0, 520)),
      ]);
    case 2: {
      // One that is right, with one byte that may not be.
      const bytes = Buffer.from(random.pick([
        "#!::r=live/cam,u=anna,key=s3cret%2C1,m=publish",
        "#!::s=0123456789abcdef,u=be-1,m=bidirectional",
        "publish:live/cam:anna:s3cret",
      ]));
      bytes[random.int(0, bytes.length - 1)] = random.int(0, 255);
      return bytes;
    }
    case 3:
      // As programs pass it on that do not decode their URL.
      return Buffer.from(random.pick(["", "%23!::"]) + encodeURIComponent(piecesOf(random, 12)));
    case 4:
      // Escapes that are almost UTF-8.
      return Buffer.concat([
        Buffer.from(random.pick(["#!::r=", "#!::s=", "%23!%3a%3Ar="])),
        Buffer.from(
          Array.from(
            { length: random.int(1, 12) },
            () => `%${random.pick(almostLetters).toString(16).padStart(2, "0")}`,
          ).join(""),
        ),
      ]);
    default:
      return Buffer.from(piecesOf(random, 40));
  }
}

function piecesOf(random: Random, most: number): string {
  return Array.from({ length: random.int(1, most) }, () => random.pick(pieces)).join("");
}
