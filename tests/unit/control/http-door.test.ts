import { expect, test } from "bun:test";
import { type AddressInfo, connect, createServer } from "node:net";
import { HttpDoor } from "../../../src/control/http-door.ts";
import { Visitor } from "../../../src/control/visitor.ts";

/** A door that gives a peer 400 ms, and what a peer saw: its text and how long it was let stay. */
async function visit(run: (write: (bytes: string) => void) => () => void) {
  const door = new HttpDoor({ pages: { "/status": { read: () => ({}) } }, idle_ms_max: 400 });
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.once("data", (chunk) => {
      socket.unshift(chunk);
      door.take(new Visitor({ socket, address: "127.0.0.1" }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const socket = connect((server.address() as AddressInfo).port, "127.0.0.1");
  socket.on("error", () => {});
  let text = "";
  socket.on("data", (chunk) => text += chunk);
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const stop = run((bytes) => socket.write(bytes));
  await closed;
  stop();
  door.close();
  server.close();
  return text;
}

test("a request that never ends is cut, however it drips", async () => {
  const text = await visit((write) => {
    write("GET /status HTTP/1.1\r\n");
    const drip = setInterval(() => write("x: y\r\n"), 5);
    return () => clearInterval(drip);
  });
  expect(text).not.toContain("200 OK");
});

test("a kept-alive connection is closed when it falls silent, and its requests prolong it", async () => {
  let sent = 0;
  const text = await visit((write) => {
    const ask = () => {
      write("GET /status HTTP/1.1\r\nhost: x\r\n\r\n");
      if (++sent === 5) clearInterval(asking);
    };
    const asking = setInterval(ask, 120);
    return () => clearInterval(asking);
  });
  // Five requests 120 ms apart outlast the 400 ms that silence is allowed.
  expect(text.match(/200 OK/g)).toHaveLength(5);
});
