import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { joinAs, Meeting } from "../harness/meeting.ts";
import { announcedRandom } from "../harness/random.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

/** So many sessions are measured, and so many of them run at the same time. */
const measured_sessions = 10_000;
const at_once = 16;
/**
 * The heap of a fresh process grows for some thousand sessions until its collector has found its
 * pace, and swings by some 20 MiB afterwards; only what comes on top of that is a leak.
 */
const warm_up_sessions = 8_000;
const swing_bytes_max = 40 * 1024 * 1024;
const sessions = warm_up_sessions + measured_sessions;

describe("endurance", () => {
  test(
    `${measured_sessions} TCP sessions leave descriptors and memory where they were`,
    async () => {
      const gateway = await GatewayProcess.start({ tcp_ports: 32 });
      const random = announcedRandom("endurance");
      try {
        const meeting = await Meeting.of(gateway, { name: "long", max_conn: 32 });
        const up = Buffer.from("up ".repeat(100));
        const down = Buffer.from("down ".repeat(100));
        let left = 0;

        const one = async () => {
          const grant = await meeting.session("zmq");
          const [first, second] = random.next() < 0.5
            ? ["server", "client"] as const
            : ["client", "server"] as const;
          const [a, b] = await Promise.all([
            joinAs(grant, first, { behind: first === "client" ? up : down }),
            joinAs(grant, second, { behind: second === "client" ? up : down }),
          ]);
          const [client, server] = first === "client" ? [a, b] : [b, a];
          await Promise.all([server.reached(up.length), client.reached(down.length)]);
          const ending = random.next();
          if (ending < 0.8) {
            client.halfClose();
            server.halfClose();
          } else if (ending < 0.9) client.abort();
          else server.abort();
          await Promise.all([client.closed(), server.closed()]);
          if (ending < 0.8) {
            expect(client.received_bytes).toBe(down.length);
            expect(server.received_bytes).toBe(up.length);
          }
        };
        const runUntil = async (target: number) => {
          await Promise.all(Array.from({ length: at_once }, async () => {
            while (left < target) {
              left++;
              await one();
            }
          }));
          await gateway.allPortsIdle();
          gateway.log.items.length = 0;
        };

        const cold_descriptors = gateway.open_descriptors;
        const started = performance.now();
        await runUntil(warm_up_sessions);
        const descriptors = gateway.open_descriptors;
        const warm_bytes = gateway.resident_bytes;
        await runUntil(sessions);
        const seconds = (performance.now() - started) / 1_000;
        const grown = gateway.resident_bytes - warm_bytes;
        console.log(
          `endurance: ${sessions} sessions in ${seconds.toFixed(1)} s, ` +
            `memory ${(grown / 1_048_576).toFixed(1)} MiB more than after ${warm_up_sessions}`,
        );
        // Listeners of ports that were granted again and again go on for a moment.
        await gateway.descriptorsAtMost(descriptors, 2_000);
        // What is kept for the next sessions, pipes above all, is no more than these few needed.
        expect(descriptors).toBeLessThanOrEqual(cold_descriptors + 4 * at_once);
        expect(grown).toBeLessThan(swing_bytes_max);
        await meeting.close();
      } finally {
        await gateway.stop();
      }
    },
    180_000,
  );
});
