/** Every session and stream ends once, also by the plane's own end; what many cost. */
import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { PlaneEvent } from "../../src/data/plane.ts";
import { startSrt } from "./rig.ts";
import { talk } from "./srt-callers.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(40_000);

function threads(): number {
  return readdirSync("/proc/self/task").length;
}

describe("the end of everything", () => {
  /** How often each session's `closed` came. */
  function closings(events: readonly PlaneEvent[]): Record<string, number> {
    const counted: Record<string, number> = {};
    for (const event of events) {
      if (event.type !== "closed") continue;
      counted[event.session_id] = (counted[event.session_id] ?? 0) + 1;
    }
    return counted;
  }

  for (const sessions_shared of [false, true]) {
    const where = sessions_shared ? "shared ports" : "ports of their own";
    test(`each session on ${where} is closed once, also by the plane's own end`, async () => {
      const rig = await startSrt({ shared_ports: 1, sessions_shared, streams: { cam: {} } });
      const ids: string[] = [];
      try {
        const open = async (srt = {}) => {
          const reservation = await rig.open(undefined, { srt: sessions_shared ? {} : srt });
          ids.push(reservation.session_id);
          return reservation;
        };
        // One each: left by an end, released with nobody, released with one, just being released.
        const left = await rig.session();
        ids.push(left.session_id);
        left.client.destroy();
        const empty = await open({ latency_ms: 200 });
        rig.plane.release(empty.port);
        const half = await open({ transtype: "file" });
        if (sessions_shared) await rig.join(half, "server");
        rig.plane.release(half.port);
        const going = await open({ passphrase: "0123456789" });
        await open();
        const running = await rig.session();
        ids.push(running.session_id);
        await talk(running.client, running.server);
        rig.plane.release(going.port);
        // Told twice, it is still one.
        rig.plane.release(going.port);
        const [port] = rig.shared_ports;
        await rig.peers!.connect({ port, stream_id: "publish:cam" });
        await rig.streamEvent("publishing", "cam");
        await rig.peers!.connect({ port, stream_id: "read:cam" });
        await rig.streamEvent("viewing", "cam");
      } finally {
        await rig.plane.close();
        await rig.close();
      }
      expect(closings(rig.events.items)).toEqual(Object.fromEntries(ids.map((id) => [id, 1])));
      for (const status of ["publish_stop", "view_stop"] as const) {
        const stops = rig.events.items.filter((event) =>
          event.type === "stream" && event.status === status
        );
        expect(stops).toHaveLength(1);
        expect(stops[0]).toMatchObject({ name: "cam", reason: "released" });
      }
    });
  }

  test("20 sessions on a shared port cost fewer threads than 20 ports", async () => {
    const sessions = 20;
    const cost = async (sessions_shared: boolean) => {
      const shared_ports = sessions_shared ? 1 : 0;
      // One more, because the last number is never given.
      const rig = await startSrt({ sessions_shared, shared_ports, srt_sessions: sessions + 1 });
      try {
        const before = threads();
        for (let opened = 0; opened < sessions; opened++) await rig.open();
        return threads() - before;
      } finally {
        await rig.close();
      }
    };
    const on_own = await cost(false);
    const shared = await cost(true);
    console.log(
      `threads of ${sessions} sessions: ${on_own} on ports of their own, ${shared} shared`,
    );
    expect(on_own).toBeGreaterThanOrEqual(sessions);
    expect(shared).toBeLessThan(on_own / 2);
  });
});
