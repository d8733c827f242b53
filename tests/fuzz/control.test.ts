/**
 * Hostile peers on the control port: random bytes, messages mutated and cut at random, and random
 * ways to leave. After each round the gateway still serves an honest pair, and at the end nothing of
 * the peers is left.
 */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import { FrameError, MessageFramer } from "../../src/control/framing.ts";
import { readEnvelope, readPairRequest, readRegister } from "../../src/control/messages.ts";
import { endGatewaysAfterEach, startGateway } from "../unit/control/gateway-fixture.ts";

endGatewaysAfterEach();

const seed = Date.now() & 0x7fffffff;
console.log(`control fuzz seed ${seed}`);

/** Something like a message, with the keys the gateway knows and values of every kind. */
const almostMessage = fc.record({
  type: fc.constantFrom("register", "pair_request", "error", "", 5, null),
  payload: fc.oneof(
    fc.jsonValue(),
    fc.record({
      role: fc.constantFrom("server", "client", "king", null, 1),
      id: fc.oneof(fc.string(), fc.constantFrom("a", "b")),
      token: fc.oneof(fc.string(), fc.constant("t")),
      max_conn: fc.oneof(fc.integer(), fc.double(), fc.string()),
      request_id: fc.string({ unit: "binary" }),
      server_id: fc.constantFrom("", "a", "b", "honest-server"),
      need_zmq: fc.boolean(),
      need_srt: fc.boolean(),
      ["__proto__"]: fc.constant({ polluted: true }),
    }, { requiredKeys: [] }),
  ),
}, { requiredKeys: [] });

const bytes: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array)),
  fc.array(almostMessage, { maxLength: 5 }).map((messages) =>
    Buffer.from(messages.map((message) => JSON.stringify(message)).join(""))
  ),
  fc.tuple(almostMessage, fc.nat(), fc.integer({ min: 0, max: 255 })).map(([message, at, byte]) => {
    const mutated = Buffer.from(JSON.stringify(message));
    mutated[at % mutated.length] = byte;
    return mutated;
  }),
  fc.nat(70_000).map((length) => Buffer.from(`{"type":"${"x".repeat(length)}`)),
  fc.nat(200).map((depth) => Buffer.from(`{"type":${"[".repeat(depth)}`)),
  fc.string().map((text) => Buffer.from(`GET ${text}\r\n\r\n`)),
);

function cut(whole: Buffer, at: readonly number[]): Buffer[] {
  const marks = [0, ...at.map((mark) => mark % (whole.length + 1)), whole.length]
    .sort((a, b) => a - b);
  return marks.slice(1).map((end, i) => whole.subarray(marks[i], end));
}

test("the framer ends every input in messages or one clear fault, the same in any split", () => {
  fc.assert(
    fc.property(bytes, fc.array(fc.nat(), { maxLength: 20 }), (whole, at) => {
      const run = (pieces: Buffer[]) => {
        const framer = new MessageFramer({ bytes_max: 4096, depth_max: 32 });
        const out: unknown[] = [];
        try {
          for (const piece of pieces) {
            framer.push(piece, (message) => {
              const envelope = readEnvelope(message);
              out.push(envelope);
              readRegister(envelope?.payload);
              readPairRequest(envelope?.payload);
              return true;
            });
            expect(framer.heldBytes).toBeLessThanOrEqual(4096);
          }
        } catch (error) {
          if (!(error instanceof FrameError)) throw error;
          out.push(error.code);
        }
        return out;
      };
      expect(run(cut(whole, at))).toEqual(run([whole]));
      expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    }),
    { seed, numRuns: 2000 },
  );
});

test("the gateway outlives every peer and forgets it", async () => {
  const g = await startGateway({ gateway: { auth_timeout: 200 } });
  const server = await g.server("honest-server", 1000);
  const client = await g.client("honest-client");
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.record({
          bytes,
          at: fc.array(fc.nat(), { maxLength: 4 }),
          leave: fc.constantFrom("end", "reset", "stay"),
        }),
        { minLength: 1, maxLength: 4 },
      ),
      async (peers) => {
        await Promise.all(peers.map(async ({ bytes, at, leave }) => {
          const peer = await g.connect();
          peer.socket.removeAllListeners("data");
          peer.socket.resume();
          for (const piece of cut(bytes, at)) peer.socket.write(piece);
          if (leave === "end") peer.socket.end();
          else if (leave === "reset") peer.socket.resetAndDestroy();
        }));
        const request_id = `honest-${round++}`;
        client.send("pair_request", {
          request_id,
          need_zmq: true,
          server_id: "honest-server",
        });
        const [grant] = await Promise.all([client.grant(request_id), server.grant(request_id)]);
        g.planes.zmq.end(grant.payload.zmq_port, "finished");
      },
    ),
    { seed, numRuns: 150, endOnFailure: true },
  );
  expect(g.log.lines.items.filter((line) => line.level === "error")).toEqual([]);
  await g.gateway.close("end of the test");
  const { connections, waiting_requests } = g.gateway.snapshot();
  expect(connections).toEqual({ registered: 0, unproven: 0, open: 0 });
  expect(waiting_requests).toBe(0);
}, 60_000);
