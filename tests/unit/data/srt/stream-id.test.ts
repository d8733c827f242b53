import { describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import {
  formatStreamId,
  parseStreamId,
  STREAM_ID_BYTES_MAX,
  type StreamId,
} from "../../../../src/data/srt/stream-id.ts";

function parse(text: string): StreamId {
  return parseStreamId(Buffer.from(text));
}

/** A caller of a stream, with what stands in the id where nothing is said. */
function stream(fields: { name: string; user?: string; key?: string; mode?: string }) {
  return { type: "stream", user: "", key: "", mode: "request", ...fields };
}

/** A caller of a session. */
function session(
  fields: { session_id: string; user?: string; mode?: string; hello_token?: string },
) {
  return { type: "session", user: "", mode: "request", ...fields };
}

describe("libsrt's own form", () => {
  test.each([
    ["#!::r=cam", stream({ name: "cam" })],
    ["#!::r=cam,m=request", stream({ name: "cam" })],
    ["#!::r=cam,m=publish", stream({ name: "cam", mode: "publish" })],
    ["#!::m=publish,r=cam", stream({ name: "cam", mode: "publish" })],
    ["#!::r=live/cam-1.a_b,m=publish", stream({ name: "live/cam-1.a_b", mode: "publish" })],
    ["#!::r=cam,u=anna,key=s3cret", stream({ name: "cam", user: "anna", key: "s3cret" })],
    ["#!::r=cam,secret=s3cret", stream({ name: "cam", key: "s3cret" })],
    ["#!::r=cam,s=s3cret", stream({ name: "cam", key: "s3cret" })],
    // The plainer word wins, and an empty one is a word.
    ["#!::r=cam,s=c,secret=b,key=a", stream({ name: "cam", key: "a" })],
    ["#!::r=cam,s=c,secret=b", stream({ name: "cam", key: "b" })],
    ["#!::r=cam,s=c,key=", stream({ name: "cam" })],
    ["#!::h=host.example,t=stream,r=cam", stream({ name: "cam" })],
    ["#!::s=abc", session({ session_id: "abc" })],
    ["#!::s=abc,u=be-1", session({ session_id: "abc", user: "be-1" })],
    [
      "#!::s=abc,relayx_token=0%61f,u=fe-1",
      session({ session_id: "abc", user: "fe-1", hello_token: "0af" }),
    ],
    ["#!::s=abc,m=publish", session({ session_id: "abc", mode: "publish" })],
    ["#!::s=abc,m=bidirectional", session({ session_id: "abc", mode: "bidirectional" })],
    // An empty r is none.
    ["#!::r=,s=abc", session({ session_id: "abc" })],
  ])("%s", (text, expected) => {
    expect(parse(text)).toEqual(expected as StreamId);
  });

  test.each([
    ["a value may hold an equals sign", "#!::r=cam,key=a=b==", "a=b=="],
    ["a value may hold colons", "#!::r=cam,key=a:b::c", "a:b::c"],
    ["a comma is percent-encoded", "#!::r=cam,key=a%2Cb", "a,b"],
    ["a percent sign is percent-encoded", "#!::r=cam,key=100%25", "100%"],
    ["lower-case digits", "#!::r=cam,key=%c3%bc", "ü"],
    ["UTF-8 as it is", "#!::r=cam,key=schlüssel", "schlüssel"],
    ["a plus sign is a plus sign", "#!::r=cam,key=a+b", "a+b"],
    ["a blank", "#!::r=cam,key=a b", "a b"],
  ])("%s", (_, text, key) => {
    expect(parse(text)).toEqual(stream({ name: "cam", key }) as StreamId);
  });

  test("the name and the user are percent-decoded as well", () => {
    expect(parse("#!::r=live%2Fcam,u=anna%40home")).toEqual(
      stream({ name: "live/cam", user: "anna@home" }) as StreamId,
    );
  });

  test("unknown keys are tolerated, those that JavaScript knows among them", () => {
    const text = "#!::x=1,r=cam,__proto__=r,constructor=c,toString=t,Key=K,hasOwnProperty=1";
    expect(parse(text)).toEqual(stream({ name: "cam" }) as StreamId);
    expect(({} as Record<string, unknown>).r).toBeUndefined();
    expect(parse("#!::__proto__=r")).toMatchObject({ type: "invalid" });
  });

  test("commas without anything between them are tolerated", () => {
    expect(parse("#!::,r=cam,,m=publish,")).toEqual(
      stream({ name: "cam", mode: "publish" }) as StreamId,
    );
  });

  test.each([
    ["nothing in it", "#!::", "neither s"],
    ["only what is empty", "#!::r=,s=,u=,m=publish", "neither s"],
    ["only a user", "#!::u=anna", "neither s"],
    ["a key twice", "#!::r=cam,r=cam", '"r" is there twice'],
    ["an unknown key twice", "#!::r=cam,x=1,x=1", '"x" is there twice'],
    ["no equals sign", "#!::r=cam,publish", '"publish" is no key=value'],
    ["no key", "#!::=cam", '"=cam" is no key=value'],
    ["an unknown mode", "#!::r=cam,m=play", 'm is "play"'],
    ["an empty mode", "#!::r=cam,m=", 'm is ""'],
    ["a mode in capitals", "#!::r=cam,m=PUBLISH", 'm is "PUBLISH"'],
    ["a file", "#!::r=cam,t=file", 't is "file"'],
    ["both ways on a stream", "#!::r=cam,m=bidirectional", "not both"],
    ["a percent sign alone", "#!::r=cam,key=100%", '"key" is not percent-encoded'],
    ["a percent sign before no digits", "#!::r=%zz", '"r" is not percent-encoded'],
    ["percent-encoded bytes that are no text", "#!::r=cam,u=%ff", '"u" is not percent-encoded'],
    ["the nested form", "#!:{r=cam}", 'after "#!"'],
    ["one colon", "#!:r=cam", 'after "#!"'],
    ["a script", "#!/bin/sh", 'after "#!"'],
  ])("is invalid: %s", (_, text, detail) => {
    expect(parse(text)).toEqual({ type: "invalid", detail: expect.stringContaining(detail) });
  });

  test("what is wrong is quoted, but not at length", () => {
    const answer = parse(`#!::r=cam,${"x".repeat(300)}`);
    expect(answer.type).toBe("invalid");
    expect((answer as { detail: string }).detail.length).toBeLessThan(80);
  });
});

describe("the plain form", () => {
  test.each([
    ["publish:cam", stream({ name: "cam", mode: "publish" })],
    ["publish:cam:key", stream({ name: "cam", key: "key", mode: "publish" })],
    ["publish:cam:anna:key", stream({ name: "cam", user: "anna", key: "key", mode: "publish" })],
    ["publish:cam:", stream({ name: "cam", mode: "publish" })],
    ["publish:cam::", stream({ name: "cam", mode: "publish" })],
    ["publish:cam::key", stream({ name: "cam", key: "key", mode: "publish" })],
    ["publish:cam:anna:", stream({ name: "cam", user: "anna", mode: "publish" })],
    ["read:cam", stream({ name: "cam" })],
    ["request:cam", stream({ name: "cam" })],
    ["read:live/cam:anna:key", stream({ name: "live/cam", user: "anna", key: "key" })],
    // What it says is taken as it is: other servers do not decode it either.
    ["read:cam:a%2Cb", stream({ name: "cam", key: "a%2Cb" })],
    ["read:a=b,c", stream({ name: "a=b,c" })],
  ])("%s", (text, expected) => {
    expect(parse(text)).toEqual(expected as StreamId);
  });

  test("more behind the key is invalid", () => {
    expect(parse("publish:cam:anna:key:more")).toMatchObject({ type: "invalid" });
    expect(parse("publish:cam:anna:key:")).toMatchObject({ type: "invalid" });
  });

  test.each([
    "publish",
    "publish:",
    "publish::key",
    "Publish:cam",
    " publish:cam",
    "play:cam",
    "cam",
    ":",
    "__proto__:cam",
    "constructor:cam",
    "toString:cam",
    "live/cam?key=1",
    "r=cam,m=publish",
    "#",
    "V4HELLO {}",
  ])("is in no form that is known: %s", (text) => {
    expect(parse(text)).toEqual({ type: "free", detail: expect.any(String) });
  });
});

describe("any form", () => {
  test("nothing is nothing", () => {
    expect(parse("")).toEqual({ type: "none" });
  });

  test("512 bytes are read, 513 are not", () => {
    const longest = "#!::r=cam,key=".padEnd(STREAM_ID_BYTES_MAX, "k");
    expect(parse(longest)).toEqual(
      stream({ name: "cam", key: "k".repeat(STREAM_ID_BYTES_MAX - 14) }) as StreamId,
    );
    expect(parse(`${longest}k`)).toEqual({
      type: "invalid",
      detail: "it has 513 bytes; 512 are allowed",
    });
    // Bytes are counted, not letters.
    expect(parse("read:".padEnd(300, "ü"))).toMatchObject({ type: "invalid" });
  });

  test.each([
    ["a byte that is none", Buffer.from([0x72, 0xff])],
    ["half a letter", Buffer.from("read:ü").subarray(0, -1)],
    ["a surrogate", Buffer.from([0xed, 0xa0, 0x80])],
    ["a longer way to write a slash", Buffer.from([0xc0, 0xaf])],
  ])("is invalid where it is not UTF-8: %s", (_, bytes) => {
    expect(parseStreamId(bytes)).toEqual({ type: "invalid", detail: "it is not UTF-8" });
  });

  test.each(["\0", "\n", "\r", "\t", "\x1b", "\x1f", "\x7f"])(
    "is invalid with a control character: %j",
    (character) => {
      for (const text of [`read:cam${character}`, `#!::r=c${character}am`, character]) {
        expect(parse(text)).toMatchObject({ type: "invalid" });
      }
    },
  );
});

describe("what is written", () => {
  test("is what encoders take", () => {
    expect(formatStreamId({ r: "live/cam", u: "anna", key: "a,b", m: "publish" })).toBe(
      "#!::r=live%2Fcam,u=anna,key=a%2Cb,m=publish",
    );
  });

  test("leaves out what is not there", () => {
    expect(formatStreamId({ s: "abc", u: "", m: "request" })).toBe("#!::s=abc,m=request");
    expect(formatStreamId({ r: "cam", u: undefined, m: "request" })).toBe("#!::r=cam,m=request");
  });

  test("is read again as what it was", () => {
    expect(parse(formatStreamId({ r: "ü,=%:", u: "a b", key: "#!::", m: "publish" }))).toEqual(
      stream({ name: "ü,=%:", user: "a b", key: "#!::", mode: "publish" }) as StreamId,
    );
    expect(parse(formatStreamId({ s: "0f", u: "be,1", m: "bidirectional" }))).toEqual(
      session({ session_id: "0f", user: "be,1", mode: "bidirectional" }) as StreamId,
    );
  });
});
