import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import { endGatewaysAfterEach, startGateway } from "./gateway-fixture.ts";

endGatewaysAfterEach();

/** Writes the pieces, each once the former was taken, and reads until so many responses are there. */
function talk(port: number, pieces: string[], responses: number, halfClose = false) {
  return new Promise<string>((resolve, reject) => {
    let text = "";
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    const done = () => text.split("HTTP/1.1 ").length - 1 >= responses && text.includes("\r\n\r\n");
    const end = () => (socket.destroy(), resolve(text));
    socket.on("data", (chunk) => {
      text += chunk;
      if (done() && complete(text)) end();
    });
    socket.on("end", end);
    socket.on("error", reject);
    socket.on("connect", () => {
      const next = () => {
        const piece = pieces.shift();
        if (piece !== undefined) socket.write(piece, () => setImmediate(next));
        else if (halfClose) socket.end();
      };
      next();
    });
  });
}

/** The last response's body is as long as its head says; bodies here are ASCII. */
function complete(text: string): boolean {
  const last = text.slice(text.lastIndexOf("HTTP/1.1 "));
  const [head, body = ""] = last.split("\r\n\r\n");
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? "0");
  return body.length >= length || /^HTTP\/1.1 200/.test(head) && body.length === 0 && length > 0;
}

const GET = "GET /status HTTP/1.1\r\nhost: x\r\n\r\n";

describe("HTTP on the control port", () => {
  test("GET /status says how things are", async () => {
    const g = await startGateway();
    await g.server("s");
    const before = Date.now();
    const response = await fetch(`http://127.0.0.1:${g.port}/status`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    const body = await response.json() as Record<string, unknown>;
    expect(Object.keys(body)).toEqual([
      "status",
      "started_at_unix_ms",
      "now_unix_ms",
      "connections",
      "broadcast_unix_ms",
      "port_state",
    ]);
    expect(body).toMatchObject({ status: "Running", connections: 1 });
    expect(Number(body.now_unix_ms)).toBeGreaterThanOrEqual(before);
    expect(body.port_state).toEqual({
      zmq: { total: 21, idle: 21, reserved: 0, occupied: 0, blocked: 0 },
      srt: { total: 31, idle: 31, reserved: 0, occupied: 0, blocked: 0 },
    });
  });

  test("HEAD has the headers and no body", async () => {
    const g = await startGateway();
    const response = await fetch(`http://127.0.0.1:${g.port}/status`, { method: "HEAD" });
    expect(response.status).toBe(200);
    expect(Number(response.headers.get("content-length"))).toBeGreaterThan(50);
    expect(await response.text()).toBe("");
  });

  test.each(["/", "/statuss", "/status/"])("%s is 404 with an empty body", async (path) => {
    const g = await startGateway();
    const response = await fetch(`http://127.0.0.1:${g.port}${path}`);
    expect([response.status, await response.text()]).toEqual([404, ""]);
  });

  test.each(["POST", "PUT", "DELETE", "OPTIONS"])("%s /status is 405", async (method) => {
    const g = await startGateway();
    const response = await fetch(`http://127.0.0.1:${g.port}/status`, { method });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
  });

  test("one connection takes several requests, pipelined ones too", async () => {
    const g = await startGateway();
    const text = await talk(g.port, [GET, GET + GET], 3);
    expect(text.match(/HTTP\/1.1 200/g)).toHaveLength(3);
  });

  test("the first bytes may come in any split", async () => {
    const g = await startGateway();
    for (let cut = 1; cut < GET.length; cut += 3) {
      expect(await talk(g.port, [GET.slice(0, cut), GET.slice(cut)], 1)).toContain("200 OK");
    }
    expect(await talk(g.port, [...GET], 1)).toContain("200 OK");
  });

  test("a peer that ends its side at once still gets its answer", async () => {
    const g = await startGateway();
    const text = await talk(g.port, ["GET /status HTTP/1.0\r\n\r\n"], 1, true);
    expect(text).toContain('"status":"Running"');
  });

  test.each([
    ["that is no HTTP", "NONSENSE\r\n\r\n"],
    ["with a head beyond 8 KiB", `GET /status HTTP/1.1\r\nx: ${"y".repeat(20_000)}\r\n\r\n`],
  ])("a request %s ends its connection and nothing else", async (_name, bytes) => {
    const g = await startGateway();
    const peer = await g.connect();
    peer.socket.removeAllListeners("data");
    peer.socket.resume();
    peer.socket.write(bytes);
    await peer.ended;
    expect((await fetch(`http://127.0.0.1:${g.port}/status`)).status).toBe(200);
  });
});
