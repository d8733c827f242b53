import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { type Hello, parseHello, startsLikeHello } from "../../../src/data/hello.ts";
import { announcedRandom } from "../../harness/random.ts";

const line = (text: string) => new Uint8Array(Buffer.from(text));
const hello = (json: string) => parseHello(line(`V4HELLO ${json}`));
const whole = { role: "client", session_id: "0123456789abcdef", id: "fe-1" } as const;

describe("a hello that is one", () => {
  const good: [name: string, json: string, expected: Hello][] = [
    ["as the spec writes it", JSON.stringify(whole), { ...whole }],
    ["of a server", JSON.stringify({ ...whole, role: "server" }), { ...whole, role: "server" }],
    ["with its role in capitals", JSON.stringify({ ...whole, role: "CLIENT" }), { ...whole }],
    ["with its role in mixed case", JSON.stringify({ ...whole, role: "Server" }), {
      ...whole,
      role: "server",
    }],
    [
      "with its keys in any case",
      '{"Role":"client","SESSION_ID":"0123456789abcdef","Id":"fe-1"}',
      { ...whole },
    ],
    ["with more keys", JSON.stringify({ ...whole, token: "x", version: [1, { a: 2 }] }), {
      ...whole,
    }],
    ["with a proof", JSON.stringify({ ...whole, Hello_Token: "ab12" }), {
      ...whole,
      hello_token: "ab12",
    }],
    ["with no proof, spelled out", JSON.stringify({ ...whole, hello_token: null }), { ...whole }],
    ["with white space and a carriage return", ` ${JSON.stringify(whole)} \r`, { ...whole }],
    ["with an id that is not ASCII", JSON.stringify({ ...whole, id: "Büro ☂" }), {
      ...whole,
      id: "Büro ☂",
    }],
    ["with an escape", '{"role":"cl\\u0069ent","session_id":"s","id":"i"}', {
      role: "client",
      session_id: "s",
      id: "i",
    }],
    [
      "with a key that is a prototype's",
      '{"__proto__":{"role":"x"},"role":"client","session_id":"s","id":"i"}',
      {
        role: "client",
        session_id: "s",
        id: "i",
      },
    ],
  ];
  for (const [name, json, expected] of good) {
    test(name, () => expect(hello(json)).toEqual(expected));
  }

  test("with a very long id, which is cut for the log", () => {
    const found = hello(JSON.stringify({ ...whole, id: "x".repeat(1_000) })) as Hello;
    expect(found.id).toBe("x".repeat(128));
  });
});

describe("a hello that is none", () => {
  const start = 'the line does not start with "V4HELLO "';
  const json = "what follows V4HELLO is not JSON";
  const object = "what follows V4HELLO is not a JSON object";
  const text = "role, session_id and id must all be non-empty strings";
  const bad: [line: string, reason: string][] = [
    ["V4HELLO", json],
    ["V4HELLO ", json],
    ["", json],
    ["v4hello {}", start],
    ["V4HELLO\t{}", start],
    [" V4HELLO {}", start],
    ["V5HELLO {}", start],
    ["GET / HTTP/1.1", start],
    ["\u0000\u0000\u0000", start],
    ["V4HELLO {", json],
    ["V4HELLO {}{}", json],
    ["V4HELLO {'role':'client'}", json],
    ["V4HELLO null", object],
    ["V4HELLO 7", object],
    ['V4HELLO "client"', object],
    ["V4HELLO []", object],
    ["V4HELLO {}", text],
    ['V4HELLO {"role":"client","session_id":"s"}', text],
    ['V4HELLO {"role":"client","session_id":"","id":"i"}', text],
    ['V4HELLO {"role":"client","session_id":"s","id":"   "}', text],
    ['V4HELLO {"role":"","session_id":"s","id":"i"}', text],
    ['V4HELLO {"role":null,"session_id":"s","id":"i"}', text],
    ['V4HELLO {"role":"client","session_id":5,"id":"i"}', text],
    ['V4HELLO {"role":["client"],"session_id":"s","id":"i"}', text],
    [
      'V4HELLO {"role":"client","session_id":"s","id":"i","hello_token":7}',
      "hello_token is no string",
    ],
    ['V4HELLO {"role":"peer","session_id":"s","id":"i"}', 'role is neither "server" nor "client"'],
    [
      'V4HELLO {"role":"client ","session_id":"s","id":"i"}',
      'role is neither "server" nor "client"',
    ],
  ];
  for (const [text_of_line, reason] of bad) {
    test(JSON.stringify(text_of_line), () => expect(parseHello(line(text_of_line))).toBe(reason));
  }

  test("bytes that are not UTF-8", () => {
    const bytes = Buffer.concat([
      Buffer.from('V4HELLO {"role":"client","session_id":"s","id":"'),
      Buffer.of(0xc3, 0x28),
      Buffer.from('"}'),
    ]);
    expect(parseHello(bytes)).toBe(json);
  });

  test("4 KiB of nesting", () => {
    expect(parseHello(line(`V4HELLO ${"[".repeat(4_080)}`))).toBe(json);
    expect(parseHello(line(`V4HELLO ${"[".repeat(2_040)}${"]".repeat(2_040)}`))).toBe(object);
  });
});

test("every beginning of a hello can still become one, and nothing else can", () => {
  const bytes = line(`V4HELLO ${JSON.stringify(whole)}`);
  for (let length = 0; length <= bytes.length; length++) {
    expect(startsLikeHello(bytes.subarray(0, length))).toBe(true);
  }
  for (let at = 0; at < 8; at++) {
    for (let length = at + 1; length <= 9; length++) {
      const changed = bytes.slice(0, length);
      changed[at] ^= 1;
      expect(startsLikeHello(changed)).toBe(false);
    }
  }
});

test("no bytes make it throw, and what it takes is whole", () => {
  const { seed } = announcedRandom("hello");
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 200 }).map((tail) => Buffer.concat([line("V4HELLO "), tail])),
    fc.json().map((json) => line(`V4HELLO ${json}`)),
    fc.record({
      role: fc.constantFrom("client", "SERVER", "x", ""),
      session_id: fc.string(),
      id: fc.string(),
    })
      .map((value) => line(`V4HELLO ${JSON.stringify(value)}`)),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const found = parseHello(given);
      if (typeof found === "string") return expect(found.length).toBeGreaterThan(0);
      expect(["client", "server"]).toContain(found.role);
      expect(found.session_id.trim()).not.toBe("");
      expect(found.id.trim().length).toBeGreaterThan(0);
      expect(found.id.length).toBeLessThanOrEqual(128);
      expect(startsLikeHello(given)).toBe(true);
    }),
    { seed, numRuns: 2_000 },
  );
});
