import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { parseRlx1Hello, RLX1_HELLO, type Rlx1Hello } from "../../../src/data/rlx1-hello.ts";
import { announcedRandom } from "../../harness/random.ts";

const line = (text: string) => new Uint8Array(Buffer.from(text));

describe("a hello that is one", () => {
  const good: [json: string, expected: Rlx1Hello][] = [
    ['{"role":"BE","client_id":"be-01"}', { role: "BE", client_id: "be-01" }],
    ['{"role":"FE"}', { role: "FE", client_id: "" }],
    ['{"role":"FE","client_id":null}', { role: "FE", client_id: "" }],
    ['{"role":"FE","client_id":""}\r', { role: "FE", client_id: "" }],
    ['{"role":"BE","client_id":"b","token":[{}],"v":1}', { role: "BE", client_id: "b" }],
    ['{"Role":"BE","CLIENT_ID":"b"}', { role: "BE", client_id: "b" }],
    [`{"role":"BE","client_id":"${"x".repeat(1000)}"}`, {
      role: "BE",
      client_id: "x".repeat(1000),
    }],
  ];
  for (const [json, expected] of good) {
    test(json.slice(0, 60), () => {
      expect(parseRlx1Hello(line(`RLX1HELLO ${json}`))).toEqual(expected);
    });
  }
});

describe("a hello that is none", () => {
  const start = 'the line does not start with "RLX1HELLO "';
  const role = 'role is neither "FE" nor "BE"';
  const bad: [line: string, reason: string][] = [
    ['V4HELLO {"role":"FE"}', start],
    ['rlx1hello {"role":"FE"}', start],
    ['RLX1HELLO\t{"role":"FE"}', start],
    ["RLX1HELLO", "what follows RLX1HELLO is not JSON"],
    ["RLX1HELLO {", "what follows RLX1HELLO is not JSON"],
    ['RLX1HELLO ["FE"]', "what follows RLX1HELLO is not a JSON object"],
    ["RLX1HELLO {}", role],
    ['RLX1HELLO {"role":"be"}', role],
    ['RLX1HELLO {"role":"FE "}', role],
    ['RLX1HELLO {"role":["FE"]}', role],
    ['RLX1HELLO {"role":"server"}', role],
    ['RLX1HELLO {"role":"FE","client_id":7}', "client_id is no string"],
  ];
  for (const [text, reason] of bad) {
    test(JSON.stringify(text), () => expect(parseRlx1Hello(line(text))).toBe(reason));
  }
});

test("every beginning of a hello can still become one, and nothing else can", () => {
  const bytes = line('RLX1HELLO {"role":"FE"}');
  for (let length = 0; length <= bytes.length; length++) {
    expect(RLX1_HELLO.line.startsLike(bytes.subarray(0, length))).toBe(true);
  }
  for (let at = 0; at < 10; at++) {
    const changed = bytes.slice();
    changed[at] ^= 1;
    expect(RLX1_HELLO.line.startsLike(changed.subarray(0, at + 1))).toBe(false);
  }
});

test("no bytes make it throw, and what it takes is whole", () => {
  const { seed } = announcedRandom("RLX1 hello");
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 200 }).map((tail) => Buffer.concat([line("RLX1HELLO "), tail])),
    fc.json().map((json) => line(`RLX1HELLO ${json}`)),
    fc.record({ role: fc.constantFrom("FE", "BE", "fe", ""), client_id: fc.string() })
      .map((value) => line(`RLX1HELLO ${JSON.stringify(value)}`)),
  );
  fc.assert(
    fc.property(bytes, (given) => {
      const found = parseRlx1Hello(given);
      if (typeof found === "string") return expect(found.length).toBeGreaterThan(0);
      expect(["FE", "BE"]).toContain(found.role);
      expect(RLX1_HELLO.line.startsLike(given)).toBe(true);
    }),
    { seed, numRuns: 1_000 },
  );
});
