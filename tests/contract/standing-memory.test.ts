/** What relayx holds for a peer that does not read: `ring_buffer_size`, and not a byte more. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { FIONREAD, openLibc, SIOCOUTQ } from "../../ffi/libc/mod.ts";
import { ByteStream } from "../harness/byte-stream.ts";
import { timePasses } from "./rig.ts";
import { StandingRig } from "./standing-rig.ts";

setDefaultTimeout(30_000);

const mebibyte = 1_048_576;
const libc = openLibc();
const count = new Int32Array(1);

let rig: StandingRig;
beforeAll(async () => {
  rig = await StandingRig.start({}, { ports: 8 });
});
afterAll(() => rig.close());

/**
 * Bytes that this process, which the plane is a part of, holds for one port: what waits to be read in
 * its connections, what is in its pipes, and what it has sent and the other side has not acknowledged.
 */
function heldBytes(port: number): { received: number; piped: number; unsent: number } {
  const [, ...lines] = readFileSync("/proc/self/net/tcp", "utf8").trim().split("\n");
  const sockets = new Set(
    lines.map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => parseInt(local.split(":")[1], 16) === port && state === "01")
      .map((fields) => `socket:[${fields[9]}]`),
  );
  const ask = (fd: number, what: number) => libc.ioctl(fd, what, count) < 0 ? 0 : count[0];
  const held = { received: 0, piped: 0, unsent: 0 };
  const pipes = new Set<string>();
  for (const name of readdirSync("/proc/self/fd")) {
    const fd = Number(name);
    let target: string;
    try {
      target = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      continue;
    }
    if (sockets.has(target)) {
      held.received += ask(fd, FIONREAD);
      held.unsent += ask(fd, SIOCOUTQ);
    } else if (target.startsWith("pipe:") && !pipes.has(target)) {
      pipes.add(target);
      held.piped += ask(fd, FIONREAD);
    }
  }
  return held;
}

const sum = ({ received, piped, unsent }: ReturnType<typeof heldBytes>) =>
  received + piped + unsent;

/** What is held once nothing moves any more, and the most that was held before. */
async function stalled(port: number): Promise<{ most: number; last: string }> {
  let most = 0;
  let before = -1;
  for (let still = 0; still < 5;) {
    await timePasses(40);
    const held = heldBytes(port);
    const bytes = sum(held);
    most = Math.max(most, bytes);
    still = bytes > 0 && bytes === before ? still + 1 : 0;
    before = bytes;
    if (still === 5) return { most, last: JSON.stringify(held) };
  }
  throw new Error("unreachable");
}

for (const ring_mebibytes of [1, 4, 16]) {
  for (const from of ["FE", "BE"] as const) {
    test(`${ring_mebibytes} MiB from the ${from}, and all of it arrives`, async () => {
      const ring_bytes_max = ring_mebibytes * mebibyte;
      const { port, be, fe } = await rig.session({ ring_bytes_max });
      const [writer, reader] = from === "FE" ? [fe, be] : [be, fe];
      reader.pause();
      const total_bytes = 3 * ring_bytes_max + 16 * mebibyte;
      const sent = writer.pour(new ByteStream({ total_bytes, seed: ring_mebibytes }));
      const { most, last } = await stalled(port);
      console.log(`a ring of ${ring_bytes_max} bytes holds at most ${most}: ${last}`);
      expect(most).toBeLessThanOrEqual(ring_bytes_max);
      expect(most).toBeGreaterThan(ring_bytes_max / 8);
      reader.resume();
      const digest = await sent;
      await reader.reached(total_bytes);
      expect(reader.digest()).toBe(digest);
    });
  }
}
