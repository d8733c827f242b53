import { describe, expect, test } from "bun:test";
import {
  encodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_TYPE,
  payloadCrc,
  readHeader,
} from "../../../src/tools/video/frame.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("frame", () => {
  test("has every field where the wire format says", () => {
    const payload = bytes("123456789");
    const frame = encodeFrame({
      type: FRAME_TYPE.echo,
      seq: 0x0102030405060708n,
      sent_unix_ns: 0x1112131415161718n,
      server_recv_unix_ns: 0x2122232425262728n,
      server_send_unix_ns: -2n,
      crc32: payloadCrc(payload),
    }, payload);
    const hex = Array.from(frame, (byte) => byte.toString(16).padStart(2, "0")).join("");
    expect(hex).toBe(
      "56345654" + "01" + "02" + "0000" + "0102030405060708" + "1112131415161718" +
        "2122232425262728" + "fffffffffffffffe" +
        // The check value of CRC-32/IEEE.
        "cbf43926" + "00000009" + "313233343536373839",
    );
  });

  test("reads what it wrote, extremes included", () => {
    const header = {
      type: FRAME_TYPE.data,
      seq: 2n ** 64n - 1n,
      sent_unix_ns: -(2n ** 63n),
      server_recv_unix_ns: 2n ** 63n - 1n,
      server_send_unix_ns: 0n,
      crc32: 0xffffffff,
    };
    const frame = encodeFrame(header, new Uint8Array(3));
    expect(readHeader(frame)).toEqual({ ...header, payload_len: 3 });
  });

  test("is read at any offset of the memory it lies in", () => {
    const frame = encodeFrame({
      type: FRAME_TYPE.ping,
      seq: 7n,
      sent_unix_ns: 1n,
      server_recv_unix_ns: 0n,
      server_send_unix_ns: 0n,
      crc32: 0,
    }, new Uint8Array(0));
    const memory = new Uint8Array(FRAME_HEADER_BYTES + 5);
    memory.set(frame, 5);
    expect(readHeader(memory.subarray(5)).seq).toBe(7n);
  });
});
