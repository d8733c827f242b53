/** What the hook takes the stream ids on the standard input to name; listen-hook.test.ts asks. */
import { Buffer } from "node:buffer";
import { readFileSync } from "node:fs";
import { ListenHook, openLibsrt } from "../../ffi/libsrt/mod.ts";

const hook = new ListenHook({ calls: openLibsrt().listenHook! });
const input = readFileSync(0);
let told = "";
for (let at = 0; at < input.length;) {
  const length = input.readUInt16LE(at);
  const name = hook.parse(input.subarray(at + 2, at + 2 + length));
  told += `${Buffer.from(name).toString("hex")}\n`;
  at += 2 + length;
}
console.log(told.slice(0, -1));
