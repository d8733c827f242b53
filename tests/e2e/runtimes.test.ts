import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { AdminPort } from "../harness/admin-port.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { carry, Meeting } from "../harness/meeting.ts";
import { checkedDocument } from "../harness/openapi.ts";
import type { Runtime } from "../harness/runtime.ts";
import { SrtThread } from "../harness/srt-end.ts";
import { joinSrt } from "../harness/srt-meeting.ts";
import { V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const MiB = 1024 * 1024;
const runtimes: Runtime[] = ["binary", "deno"];

for (const runtime of runtimes) {
  describe(`the gateway as ${runtime}`, () => {
    let gateway: GatewayProcess;
    let thread: SrtThread;
    let meeting: Meeting;

    beforeAll(async () => {
      gateway = await GatewayProcess.start({ runtime, settings: { admin: { port: 0 } } });
      thread = await SrtThread.start();
      meeting = await Meeting.of(gateway, { name: runtime });
    }, 60_000);
    afterAll(async () => {
      await meeting.close();
      await thread.close();
      await gateway.stop();
    }, 60_000);

    test("registers, refuses, broadcasts and answers HTTP", async () => {
      const port = gateway.control_port;
      const twice = await V4Client.connect({ port });
      expect(await twice.tryRegister({ role: "client", id: meeting.client.id, token: "t" }))
        .toEqual({ status: "error", code: 503, error: "503 duplicate client id" });
      await twice.closed();
      const request_id = meeting.client.ask({ need_zmq: false });
      expect((await meeting.client.refused(request_id)).error).toBe("need_zmq/need_srt both false");
      const [status, state, telemetry] = await Promise.all([
        meeting.client.status(),
        meeting.server.portState(),
        meeting.client.telemetry(),
      ]);
      expect(status).toMatchObject([{ server_id: meeting.server.id, remaining_ports: 100 }]);
      expect(state.zmq.idle).toBe(24);
      expect(telemetry).toEqual([]);
      expect((await gateway.statusPage()).connections).toBe(2);
      const missing = await fetch(`http://127.0.0.1:${port}/nothing`);
      expect([missing.status, await missing.text()]).toEqual([404, ""]);
    });

    test("the admin port answers, explains, counts, refuses and takes orders", async () => {
      const admin = await AdminPort.of(gateway);
      expect((await admin.ask("/")).headers.get("content-type")).toStartWith("text/html");
      expect((await admin.ask("/readyz")).json).toEqual({ ready: true, reasons: [] });
      const document = checkedDocument((await admin.ask("/openapi.json")).json);
      const { status, json } = await admin.ask("/api/v1/registrations");
      expect(document.faults("GET", "/api/v1/registrations", status, json)).toEqual([]);
      expect(json.registrations).toHaveLength(2);
      const { json: explained } = await admin.ask(`/api/v1/explain/be-${runtime}`);
      expect(explained.sentences[0]).toContain(`The server be-${runtime} registered`);
      const metrics = await admin.metrics();
      expect(metrics.faults()).toEqual([]);
      expect(metrics.value("relayx_registrations", { role: "client" })).toBe(1);
      const foreign = await admin.statusOf(
        "GET /api/v1/sessions HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
      );
      expect(foreign).toBe(403);
      const drained = await admin.ask("/api/v1/drain", { method: "POST" });
      expect(drained.json.state).toBe("Draining");
      const running = await admin.ask("/api/v1/drain", { method: "DELETE" });
      expect(running.json.state).toBe("Running");
    });

    test("a waiting request is woken", async () => {
      const request_id = meeting.client.ask({ server_id: `late-${runtime}`, need_zmq: true });
      await meeting.client.settled();
      const late = await V4Client.register({
        port: gateway.control_port,
        role: "server",
        id: `late-${runtime}`,
      });
      expect((await meeting.client.granted(request_id, 1_500)).server_id).toBe(`late-${runtime}`);
      await late.close();
    });

    for (const first of ["client", "server"] as const) {
      test(`8 MiB each way over TCP, ${first} first, and an orderly end`, async () => {
        const { client, server, grant } = await meeting.tcpSession({ first });
        const [up, down] = await Promise.all([
          carry({ from: client, to: server, total_bytes: 8 * MiB, seed: 1 }),
          carry({ from: server, to: client, total_bytes: 8 * MiB, seed: 2 }),
        ]);
        expect([up.received, down.received]).toEqual([up.sent, down.sent]);
        client.halfClose();
        await server.ended();
        await server.write("the tail");
        server.halfClose();
        await client.ended();
        expect(client.received_bytes).toBe(8 * MiB + 8);
        expect(await gateway.logged("session_stop", { session_id: grant.session_id }))
          .toMatchObject({ bytes_up: 8 * MiB, bytes_down: 8 * MiB + 8 });
      }, 60_000);
    }

    test("an abort over TCP is passed on", async () => {
      const { client, server } = await meeting.tcpSession();
      client.abort();
      expect((await server.closed()).error).toBe("ECONNRESET");
    });

    test("4 MB over SRT arrive whole", async () => {
      const grant = await meeting.session("srt");
      const { client, server } = await joinSrt({
        gateway,
        thread,
        grant,
        latency_ms: 600,
        quiet: true,
      });
      const messages = 3_000;
      const [sent, arrived] = await Promise.all([
        client.pour({ messages, message_bytes: 1316, mbps: 50 }),
        server.reached(messages * 1316, 30_000),
      ]);
      expect(arrived).toMatchObject({ sha256: sent, messages, smallest: 1316, largest: 1316 });
      await client.close();
      await server.closed();
      await gateway.logged("session_stop", { session_id: grant.session_id });
    }, 60_000);
  });
}
