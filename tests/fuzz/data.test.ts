import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { ByteStream } from "../harness/byte-stream.ts";
import { turn } from "../harness/deadline.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { joinAs, Meeting, provesServing } from "../harness/meeting.ts";
import { announcedRandom, type Random } from "../harness/random.ts";
import { helloLine, TcpEnd } from "../harness/tcp-end.ts";
import type { Grant } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const strangers = 420;
const at_once = 12;

/** A hello line with something done to it, or something that never was one. */
function almostHello(random: Random, grant: Grant): Buffer {
  const honest = helloLine({ role: "client", session_id: grant.session_id, id: "fuzz" });
  const bytes = Buffer.from(honest);
  switch (random.int(0, 7)) {
    case 0:
      return random.bytes(random.int(1, 6_000));
    case 1:
      // One byte flipped somewhere in the prefix or the braces, which are always significant.
      bytes[random.int(0, 8)] ^= random.int(1, 255);
      return bytes;
    case 2:
      return Buffer.concat([Buffer.from("V4HELLO "), random.bytes(random.int(0, 5_000))]);
    case 3:
      return helloLine({
        role: random.pick(["client", "server"]),
        session_id: random.bytes(8).toString("hex"),
        id: "fuzz",
      });
    case 4:
      return bytes.subarray(0, random.int(0, bytes.length - 2));
    case 5:
      return Buffer.concat([random.bytes(random.int(1, 3)), Buffer.from("\n"), bytes]);
    case 6:
      return Buffer.from(`V4HELLO ${"{".repeat(random.int(1, 4_000))}\n`);
    default:
      return Buffer.from(
        `V4HELLO ${JSON.stringify({ role: random.pick([1, null, [], {}, "x"]), id: "i" })}\n`,
      );
  }
}

describe("strangers on a TCP data port", () => {
  test(`${strangers} of them, while honest sessions keep every byte`, async () => {
    const random = announcedRandom("data fuzz");
    const gateway = await GatewayProcess.start({
      settings: { gateway: { auth_timeout: "120s" } },
    });
    try {
      const meeting = await Meeting.of(gateway, { name: "fuzz" });
      const occupied = await meeting.tcpSession();
      const reserved = await meeting.session("zmq");
      const descriptors = gateway.open_descriptors;

      // The honest session moves bytes both ways until the last stranger is gone.
      let strangers_left = strangers;
      const honest = async (from: TcpEnd, to: TcpEnd, seed: number) => {
        const stream = new ByteStream({ total_bytes: Number.MAX_SAFE_INTEGER, seed });
        let sent_bytes = 0;
        do {
          const chunk = stream.next()!;
          sent_bytes += chunk.length;
          await from.write(chunk);
          await to.reached(sent_bytes);
        } while (strangers_left > 0);
        return stream.digest();
      };

      const stranger = async () => {
        const grant = random.pick([occupied.grant, reserved]);
        const end = new TcpEnd({ port: grant.zmq_port! });
        await end.connected();
        const bytes = random.next() < 0.1 ? Buffer.alloc(0) : almostHello(random, grant);
        for (let at = 0; at < bytes.length && !end.is_closed;) {
          const next = at + (random.next() < 0.5 ? random.int(1, 20) : random.int(1, 3_000));
          end.writeCarelessly(bytes.subarray(at, next));
          at = next;
          if (random.next() < 0.5) await turn();
        }
        switch (random.int(0, 3)) {
          case 0:
            end.abort();
            break;
          case 1:
            end.destroy();
            break;
          case 2:
            end.halfClose();
            await end.turnedAway();
            break;
          default:
            // Waits to be turned away, at the latest when the hello's deadline has passed.
            await end.turnedAway();
        }
        await end.closed();
        expect(end.received_bytes).toBe(0);
        strangers_left--;
      };
      const crowd = Promise.all(Array.from({ length: at_once }, async () => {
        for (let turn = 0; turn < strangers / at_once; turn++) await stranger();
      })).finally(() => strangers_left = 0);

      const [up, down] = await Promise.all([
        honest(occupied.client, occupied.server, 51),
        honest(occupied.server, occupied.client, 52),
        crowd,
      ]);
      expect(occupied.server.digest()).toBe(up);
      expect(occupied.client.digest()).toBe(down);

      // The reservation they knocked at is still its owners'.
      const server = await joinAs(reserved, "server");
      const client = await joinAs(reserved, "client");
      await client.write("ours");
      expect((await server.head(4)).toString()).toBe("ours");
      for (const end of [client, server, occupied.client, occupied.server]) end.halfClose();
      await Promise.all(
        [client, server, occupied.client, occupied.server].map((end) => end.closed()),
      );
      await gateway.allPortsIdle();
      await gateway.descriptorsAtMost(descriptors, 2_000);
      await provesServing(gateway, { name: "after-fuzz" });
      await meeting.close();
    } finally {
      await gateway.stop();
    }
  }, 120_000);
});
