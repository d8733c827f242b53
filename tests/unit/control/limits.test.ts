import { describe, expect, test } from "bun:test";
import { ZMQ_FIRST } from "../sessions/fixture.ts";
import { endGatewaysAfterEach, startGateway } from "./gateway-fixture.ts";

endGatewaysAfterEach();

describe("connections that do not register", () => {
  test("are bounded, and a burst beyond the bound is one line with a count", async () => {
    const g = await startGateway({ limits: { unproven_max: 2 } });
    const held = [await g.connect(), await g.connect()];
    for (const peer of held) peer.socket.write(" ");
    const shed = await Promise.all([g.connect(), g.connect(), g.connect()]);
    await Promise.all(shed.map((peer) => peer.closed));
    const lines = await g.log.lines.count(2, (line) => line.status === "limit_reached");
    expect(lines).toMatchObject([
      { limit: "unproven_max", count: 1, remote: "127.0.0.1" },
      { limit: "unproven_max", count: 2 },
    ]);
    // Registering makes room for the next.
    held[0].send("register", { role: "client", id: "c", token: "t" });
    await held[0].next("register_ack");
    await g.client("d");
  });

  test("include HTTP ones, which count until they close", async () => {
    const g = await startGateway({ limits: { unproven_per_address_max: 1 } });
    const http = await g.connect();
    http.socket.removeAllListeners("data");
    const answered = new Promise((resolve) => http.socket.once("data", resolve));
    http.socket.write("GET /status HTTP/1.1\r\nhost: x\r\n\r\n");
    await answered;
    const shed = await g.connect();
    await shed.closed;
    expect(await g.log.status("limit_reached")).toMatchObject({
      limit: "unproven_per_address_max",
    });
  });
});

test("a peer that asks without ever reading is cut at the bound, and others are served", async () => {
  const g = await startGateway({ limits: { control_queue_bytes_max: 65_536 } });
  await g.server("s");
  const deaf = await g.client("deaf");
  deaf.socket.pause();
  const requests = `{"type":"pair_request","payload":{"request_id":"${"x".repeat(200)}"}}`.repeat(
    500,
  );
  const flood = () => {
    while (!deaf.socket.destroyed && deaf.socket.write(requests));
  };
  deaf.socket.on("drain", flood);
  flood();
  const line = await g.log.status("limit_reached");
  expect(line).toMatchObject({ limit: "control_queue_bytes_max", id: "deaf", role: "client" });
  expect(line.queued_bytes as number).toBeLessThanOrEqual(65_536);
  deaf.socket.destroy();
  const other = await g.client("other");
  other.send("pair_request", { request_id: "r", need_zmq: true });
  expect((await other.grant("r")).payload.zmq_port).toBe(ZMQ_FIRST);
});
