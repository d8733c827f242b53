import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { FrameError, MessageFramer } from "../../../src/control/framing.ts";

const LIMITS = { bytes_max: 1024, depth_max: 8 };

function feed(pieces: Iterable<Uint8Array>, limits = LIMITS): object[] {
  const framer = new MessageFramer(limits);
  const messages: object[] = [];
  for (const piece of pieces) framer.push(piece, (message) => messages.push(message) > 0);
  return messages;
}

function faultOf(bytes: Uint8Array | string, limits = LIMITS): string {
  try {
    feed([Buffer.from(bytes)], limits);
  } catch (error) {
    if (error instanceof FrameError) return error.code;
    throw error;
  }
  return "none";
}

const DOCUMENTS = [
  { type: "register", payload: { role: "server", id: "b{e}", token: 'q"\\u', max_conn: 3 } },
  { type: "pair_request", payload: { qos: { deep: [[{ a: [1, 2.5e3, true, null] }]] } } },
  { type: "ünïcödé ✓ 🎥", payload: ']}{[\\"' },
  {},
];
const STREAMS = {
  "without anything between": DOCUMENTS.map((document) => JSON.stringify(document)).join(""),
  "with white space around": ` \r\n\t${
    DOCUMENTS.map((document) => JSON.stringify(document, null, 2)).join("\n \t\r\n")
  }\n`,
};

describe("messages in any split", () => {
  for (const [name, text] of Object.entries(STREAMS)) {
    const bytes = Buffer.from(text);
    test(`${name}: one byte at a time`, () => {
      expect(feed([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(DOCUMENTS);
    });
    test(`${name}: every cut into two`, () => {
      for (let cut = 0; cut <= bytes.length; cut++) {
        expect(feed([bytes.subarray(0, cut), bytes.subarray(cut)])).toEqual(DOCUMENTS);
      }
    });
    test(`${name}: every piece size`, () => {
      for (let size = 1; size <= bytes.length; size++) {
        const pieces: Uint8Array[] = [];
        for (let i = 0; i < bytes.length; i += size) pieces.push(bytes.subarray(i, i + size));
        expect(feed(pieces)).toEqual(DOCUMENTS);
      }
    });
  }

  test("nothing is handed over once the reader has had enough", () => {
    const framer = new MessageFramer(LIMITS);
    const seen: object[] = [];
    framer.push(Buffer.from('{"a":1}{"a":2}'), (message) => {
      seen.push(message);
      return false;
    });
    expect(seen).toEqual([{ a: 1 }]);
  });

  test("a piece is copied, so that the receive buffer it came in may be used again", () => {
    const framer = new MessageFramer(LIMITS);
    const receive = Buffer.from('{"a":"first"');
    framer.push(receive, () => true);
    receive.fill(0);
    const seen: object[] = [];
    framer.push(Buffer.from("}"), (message) => seen.push(message) > 0);
    expect(seen).toEqual([{ a: "first" }]);
    expect(framer.heldBytes).toBe(0);
  });
});

describe("bounds", () => {
  const exactly = (bytes: number) => `{"a":"${"x".repeat(bytes - 8)}"}`;

  test("a message of exactly the longest length passes, one byte more does not", () => {
    for (const size of [1, 7, 1024]) {
      const cut = (text: string) => {
        const bytes = Buffer.from(text);
        const pieces: Uint8Array[] = [];
        for (let i = 0; i < bytes.length; i += size) pieces.push(bytes.subarray(i, i + size));
        return pieces;
      };
      expect(feed(cut(exactly(1024)))).toHaveLength(1);
      expect(() => feed(cut(exactly(1025)))).toThrow("longer than 1024 bytes");
    }
  });

  test("an endless message is refused at the bound and never buffered beyond it", () => {
    const framer = new MessageFramer(LIMITS);
    const piece = Buffer.alloc(100, "x");
    framer.push(Buffer.from('{"a":"'), () => true);
    expect(() => {
      for (;;) {
        framer.push(piece, () => true);
        expect(framer.heldBytes).toBeLessThanOrEqual(1024);
      }
    }).toThrow(FrameError);
  });

  test("white space between messages is not kept, however much there is", () => {
    const framer = new MessageFramer(LIMITS);
    for (let i = 0; i < 100; i++) framer.push(Buffer.alloc(10_000, "\n"), () => true);
    expect(framer.heldBytes).toBe(0);
  });

  test("nesting to the bound passes, one level more is refused before the message ends", () => {
    const nested = (depth: number) => `{"a":${"[".repeat(depth - 1)}`;
    expect(feed([Buffer.from(nested(8) + "]".repeat(7) + "}")])).toHaveLength(1);
    expect(faultOf(nested(9))).toBe("too_deep");
    expect(faultOf(`{"a":${"[".repeat(500)}`)).toBe("too_deep");
    expect(faultOf("[".repeat(9))).toBe("too_deep");
    expect(faultOf('{"a":"[[[[[[[[[[[[[[[[[[[["}')).toBe("none");
  });
});

describe("what is no message", () => {
  const cases: [string, Uint8Array | string, string][] = [
    ["an array", "[1]", "not_json"],
    ["a number", "5", "not_json"],
    ["a string", '"x"', "not_json"],
    ["a byte order mark", "\ufeff{}", "not_json"],
    ["NUL between messages", "{}\0{}", "not_json"],
    ["NUL inside a message", '{"a":\0}', "not_json"],
    ["NUL inside a string", '{"a":"\0"}', "not_json"],
    ["a raw line feed inside a string", '{"a":"\n"}', "not_json"],
    ["brackets that do not match", '{"a":[}}', "not_json"],
    ["a closing bracket first", "}", "not_json"],
    ["a missing value", '{"a":}', "not_json"],
    ["a trailing comma", '{"a":1,}', "not_json"],
    ["a comment", "{/* x */}", "not_json"],
    ["single quotes", "{'a':1}", "not_json"],
    ["an unknown escape", '{"a":"\\x"}', "not_json"],
    ["NaN", '{"a":NaN}', "not_json"],
    ["a cut UTF-8 sequence", Uint8Array.of(0x7b, 0x22, 0xc3, 0x22, 0x3a, 0x31, 0x7d), "not_utf8"],
    ["an overlong UTF-8 sequence", Buffer.from("7b22c0af223a317d", "hex"), "not_utf8"],
    ["a UTF-8 surrogate", Buffer.from("7b22eda080223a317d", "hex"), "not_utf8"],
    ["binary noise", Uint8Array.of(0x7b, 0xff, 0xfe, 0x00), "not_json"],
  ];
  test.each(cases)("%s", (_name, bytes, fault) => {
    expect(faultOf(bytes)).toBe(fault);
  });

  test("a message before the broken one is still handed over", () => {
    const framer = new MessageFramer(LIMITS);
    const seen: object[] = [];
    expect(() => framer.push(Buffer.from('{"a":1}x'), (message) => seen.push(message) > 0))
      .toThrow(FrameError);
    expect(seen).toEqual([{ a: 1 }]);
  });
});
