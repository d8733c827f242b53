import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import type { Socket } from "node:net";
import { readFirstBytes } from "../../../src/data/first-bytes.ts";

/** A socket that receives what the test says, in the step in which it says it. */
function peer() {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
  const says = (text: string) => socket.emit("data", Buffer.from(text));
  return { socket: socket as unknown as Socket, says };
}

test("what has been used is not shown again, and the rest with what follows", () => {
  const { socket, says } = peer();
  const seen: string[] = [];
  readFirstBytes(socket, (bytes) => {
    seen.push(bytes.toString());
    return seen.length === 2 ? 3 : seen.length === 4 ? null : 0;
  }, () => {});
  for (const text of ["ab", "cd", "e", "f", "g"]) says(text);
  expect(seen).toEqual(["ab", "abcd", "de", "def"]);
  expect(socket.listenerCount("data")).toBe(0);
  expect(socket.listenerCount("end")).toBe(0);
});

test("whoever gets the socket is the only one who hears it", () => {
  const { socket, says } = peer();
  const heard: string[] = [];
  readFirstBytes(socket, () => {
    socket.on("data", (chunk) => heard.push(chunk.toString()));
    return null;
  }, () => heard.push("end of the first reader"));
  says("first");
  says("second");
  socket.emit("end");
  expect(heard).toEqual(["second"]);
});

test("an end before enough has come is told once", () => {
  const { socket, says } = peer();
  let ends = 0;
  readFirstBytes(socket, () => 0, () => ends++);
  says("x");
  socket.emit("end");
  socket.emit("end");
  expect(ends).toBe(1);
});
