import { expect, test } from "bun:test";
import { PIPE_BYTES } from "../../../../src/data/tcp/pipes.ts";
import {
  kernelBuffers,
  RING_BYTES_MIN,
  type RingShares,
  shareRing,
} from "../../../../src/data/tcp/ring.ts";

const mebibyte = 1_048_576;
const usual = { sndbuf_bytes_max: 4 * mebibyte, rcvbuf_bytes_max: 6 * mebibyte };
const unsaid = { sndbuf_bytes: 0, rcvbuf_bytes: 0 };
/** What each of two socket buffers may take beyond its bound. */
const overshoot_bytes = 2 * 65_536;

/** What the shares let relayx hold: the kernel doubles what it is asked for. */
function most(shares: RingShares, kernel: typeof usual): number {
  const of = (asked: number, itself: number) => asked > 0 ? 2 * asked : itself;
  return shares.pipe_bytes + of(shares.sndbuf_bytes, kernel.sndbuf_bytes_max) +
    of(shares.rcvbuf_bytes, kernel.rcvbuf_bytes_max) + overshoot_bytes;
}

test("a ring with room for all leaves the buffers to the kernel", () => {
  for (const ring of [12, 32, 128].map((n) => n * mebibyte)) {
    const shares = shareRing(ring, { kernel: usual, wished: unsaid });
    expect(shares).toEqual({ pipe_bytes: PIPE_BYTES, ...unsaid });
  }
});

test("no ring is exceeded, and none is wasted", () => {
  const kernels = [
    usual,
    { sndbuf_bytes_max: 4 * mebibyte, rcvbuf_bytes_max: 32 * mebibyte },
    { sndbuf_bytes_max: Infinity, rcvbuf_bytes_max: Infinity },
  ];
  const wishes = [unsaid, { sndbuf_bytes: 100_000, rcvbuf_bytes: 0 }, {
    sndbuf_bytes: 8 * mebibyte,
    rcvbuf_bytes: 65_536,
  }];
  for (const kernel of kernels) {
    for (const wished of wishes) {
      for (let ring = RING_BYTES_MIN; ring < 200 * mebibyte; ring = Math.floor(ring * 1.3)) {
        const shares = shareRing(ring, { kernel, wished });
        const held = most(shares, kernel);
        expect(held).toBeLessThanOrEqual(ring);
        expect(shares.pipe_bytes).toBeGreaterThan(0);
        // All of it is shared out unless everybody has as much as he can use.
        const content = shares.sndbuf_bytes === wished.sndbuf_bytes &&
          shares.rcvbuf_bytes === wished.rcvbuf_bytes;
        if (!content) expect(held).toBeGreaterThan(ring - 8);
      }
    }
  }
});

test("what one buffer has no use for is the other's", () => {
  const kernel = { sndbuf_bytes_max: 4 * mebibyte, rcvbuf_bytes_max: 32 * mebibyte };
  const { sndbuf_bytes, rcvbuf_bytes } = shareRing(16 * mebibyte, { kernel, wished: unsaid });
  expect(sndbuf_bytes).toBe(0);
  expect(2 * rcvbuf_bytes).toBe(11 * mebibyte - overshoot_bytes);
});

test("the kernel tells its maxima", () => {
  const { sndbuf_bytes_max, rcvbuf_bytes_max } = kernelBuffers();
  for (const bytes of [sndbuf_bytes_max, rcvbuf_bytes_max]) {
    expect(bytes).toBeGreaterThan(65_536);
    expect(bytes).toBeLessThan(2 ** 31);
  }
});
