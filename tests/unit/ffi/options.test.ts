import { expect, test } from "bun:test";
import {
  encodeOption,
  type SrtOptionName,
  type SrtOptionValue,
} from "../../../ffi/libsrt/options.ts";

const layouts: [SrtOptionName, SrtOptionValue, number[]][] = [
  ["SRTO_RCVSYN", false, [0]],
  ["SRTO_RCVSYN", true, [1]],
  ["SRTO_TLPKTDROP", 1, [1]],
  ["SRTO_LATENCY", 120, [120, 0, 0, 0]],
  ["SRTO_FC", 16_384, [0, 0x40, 0, 0]],
  ["SRTO_IPV6ONLY", -1, [255, 255, 255, 255]],
  ["SRTO_MAXBW", -1, [255, 255, 255, 255, 255, 255, 255, 255]],
  ["SRTO_MAXBW", 125_000_000_000, [0, 0xa2, 0x94, 0x1a, 0x1d, 0, 0, 0]],
  ["SRTO_STREAMID", "#!::r=é", [35, 33, 58, 58, 114, 61, 0xc3, 0xa9]],
  ["SRTO_STREAMID", "", []],
];
for (const [name, value, bytes] of layouts) {
  test(`${name} = ${JSON.stringify(value)} takes ${bytes.length} bytes`, () => {
    expect(Array.from(encodeOption(name, value))).toEqual(bytes);
  });
}
