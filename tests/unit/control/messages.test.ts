import { describe, expect, test } from "bun:test";
import {
  encode,
  readEnvelope,
  readPairRequest,
  readRegister,
} from "../../../src/control/messages.ts";

const read = (text: string) => readEnvelope(JSON.parse(text));

describe("keys", () => {
  test("are known in any case, a later one wins and null counts as absent", () => {
    expect(read('{"TYPE":"a","Payload":1}')).toEqual({ type: "a", payload: 1, trace_id: "" });
    expect(read('{"type":"a","Type":"b"}')).toEqual({
      type: "b",
      payload: undefined,
      trace_id: "",
    });
    expect(read('{"Type":"b","type":null}')).toEqual({
      type: "b",
      payload: undefined,
      trace_id: "",
    });
    expect(readRegister(JSON.parse('{"ROLE":"server","Id":"x","iD":"y","Token":"t"}'))).toEqual({
      role: "server",
      id: "y",
      token: "t",
      max_conn: 1,
    });
  });

  test("that are not known have no effect, __proto__ among them", () => {
    const hostile = JSON.parse(
      '{"__proto__":{"role":"server","polluted":true},"constructor":{"prototype":{"x":1}},"id":"i"}',
    );
    expect(readRegister(hostile)).toEqual({ role: "", id: "i", token: "", max_conn: 1 });
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe("register", () => {
  const cases: [string, unknown, object | null][] = [
    ["absent", undefined, { role: "", id: "", token: "", max_conn: 1 }],
    ["null", null, { role: "", id: "", token: "", max_conn: 1 }],
    ["an array", [], null],
    ["a string", "x", null],
    ["a number as id", { id: 5 }, null],
    ["a boolean as token", { token: true }, null],
    ["a fraction as max_conn", { max_conn: 1.5 }, null],
    ["a string as max_conn", { max_conn: "5" }, null],
    ["an infinite max_conn", JSON.parse('{"max_conn":1e999}'), null],
    ["blanks around id and token", { id: "  a ", token: "\tb\n" }, {
      role: "",
      id: "a",
      token: "b",
      max_conn: 1,
    }],
    ["max_conn 0", { max_conn: 0 }, { role: "", id: "", token: "", max_conn: 1 }],
    ["max_conn below 0", { max_conn: -7 }, { role: "", id: "", token: "", max_conn: 1 }],
    ["a huge max_conn", { max_conn: 2 ** 50 }, {
      role: "",
      id: "",
      token: "",
      max_conn: 2 ** 31 - 1,
    }],
  ];
  test.each(cases)("%s", (_name, payload, expected) => {
    expect(readRegister(payload)).toEqual(expected as ReturnType<typeof readRegister>);
  });
});

describe("pair_request", () => {
  const srts: [string, unknown, object | null][] = [
    ["in any case", { SRT: { Encrypt: true, LATENCY: 200 } }, { encrypt: true, latency_ms: 200 }],
    ["a file", { srt: { transtype: "file", more: 1 } }, { transtype: "file" }],
    ["no object", { srt: "yes" }, {}],
    ["a wish for encryption that is none", { srt: { encrypt: "yes" } }, null],
    ["a mode there is not", { srt: { transtype: "stream" } }, null],
    ["a latency that is no number", { srt: { latency: "120" } }, null],
  ];
  test.each(srts)("qos.srt: %s", (_name, qos, expected) => {
    const read = readPairRequest({ need_srt: true, qos });
    if (expected === null) expect(read).toBeNull();
    else expect(read?.srt).toEqual(expected);
  });

  test("has defaults and ignores qos, whatever it is", () => {
    expect(readPairRequest({ Need_ZMQ: true, qos: [1, { a: 2 }] })).toEqual({
      request_id: "",
      trace_id: "",
      server_id: "",
      need_zmq: true,
      need_srt: false,
      srt: {},
      hello_proof: false,
    });
  });

  test.each<[string, unknown, boolean | null]>([
    ["a wish for proofs", { Hello_Proof: true }, true],
    ["none", { hello_proof: false }, false],
    ["nothing said of it", { srt: {} }, false],
    ["one that is none", { hello_proof: "yes" }, null],
  ])("qos.hello_proof: %s", (_name, qos, expected) => {
    expect(readPairRequest({ need_zmq: true, qos })?.hello_proof ?? null).toBe(expected);
  });

  test.each([
    ["a string", "x"],
    ["a string as need_zmq", { need_zmq: "true" }],
    ["a number as request_id", { request_id: 1 }],
    ["an object as server_id", { server_id: {} }],
  ])("is invalid with %s", (_name, payload) => {
    expect(readPairRequest(payload)).toBeNull();
  });
});

test("a message goes out as one object and a line feed", () => {
  expect(encode("error", { code: 502, error: "é" }).toString())
    .toBe('{"type":"error","payload":{"code":502,"error":"é"}}\n');
});

describe("trace_id", () => {
  test("is kept as it is", () => {
    expect(read('{"type":"a","Trace_ID":"4bf9-é"}')?.trace_id).toBe("4bf9-é");
  });

  test.each([5, {}, null, [["x"]], "x".repeat(129)])("is absent where it is %j", (trace_id) => {
    expect(read(JSON.stringify({ type: "a", trace_id }))?.trace_id).toBe("");
  });

  test("comes back with the answer, and only where there was one", () => {
    expect(JSON.parse(encode("error", { code: 502 }, 'a"b').toString()))
      .toEqual({ type: "error", payload: { code: 502 }, trace_id: 'a"b' });
    expect(encode("error", {}).toString()).not.toContain("trace_id");
  });
});

test("a type that is no string makes no message", () => {
  expect(read('{"type":5}')).toBeNull();
  expect(read("{}")).toEqual({ type: "", payload: undefined, trace_id: "" });
});
