/** The control port behind a proxy: what its header decides, and what nobody can make of one. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import net from "node:net";
import { TestAuthority } from "../harness/certificates.ts";
import { turn, within } from "../harness/deadline.ts";
import { GatewayProcess, type Settings } from "../harness/gateway-process.ts";
import { Haproxy } from "../harness/haproxy.ts";
import { binaryHeader, ipv4Header, ipv6Header, proxyLine } from "../harness/proxy-header.ts";
import type { Runtime } from "../harness/runtime.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

/** Whom the gateway trusts. */
const PROXY = "127.0.0.2";
const authority = new TestAuthority();
const served = authority.issue();
const trusting = { ca: authority.ca };
afterAll(() => authority.close());

const settings = (mode: "required" | "optional"): Settings => ({
  gateway: { auth_timeout: "1500ms" },
  proxy_protocol: { trusted: [PROXY], mode },
  limits: { unproven_max: 30, unproven_per_address_max: 5 },
  tls: { cert_file: served.cert_file, key_file: served.key_file },
});

/** A connection from the proxy that has sent these pieces, each on its own. */
async function proxied(port: number, ...pieces: Uint8Array[]): Promise<net.Socket> {
  const socket = net.connect({ port, host: "127.0.0.1", localAddress: PROXY, noDelay: true });
  socket.on("error", () => {});
  await within("connect", new Promise((resolve) => socket.once("connect", resolve)));
  for (const piece of pieces) {
    socket.write(piece);
    await turn();
  }
  return socket;
}

/** The HTTP status and the body that the gateway answers with to one GET behind this header. */
async function page(port: number, path: string, header: Uint8Array, from = PROXY): Promise<string> {
  const end = await TcpEnd.connect({ port, local_address: from });
  await end.write(
    Buffer.concat([header, Buffer.from(`GET ${path} HTTP/1.0\r\nhost: x\r\n\r\n`)]),
  );
  await end.turnedAway();
  return end.text().replace(/^HTTP\/1\.1 (\d+)[^]*\r\n\r\n/, "$1 ");
}

const runtimes: Runtime[] = ["binary", "deno"];
for (const runtime of runtimes) {
  describe(`the control port of the gateway as ${runtime}`, () => {
    let gateway: GatewayProcess;
    let port: number;
    let clients = 0;
    const register = async (socket: net.Socket) => {
      const id = `peer-${++clients}`;
      const client = await V4Client.register({ port, role: "client", id, socket });
      const line = await gateway.logged("registered", { id });
      await client.close();
      return line;
    };

    beforeAll(async () => {
      gateway = await GatewayProcess.start({ runtime, settings: settings("required") });
      port = gateway.control_port;
    }, 60_000);
    afterAll(() => gateway.stop(), 60_000);

    test("takes a header that is cut anywhere", async () => {
      const digits = "20010db8000000000000000000000007";
      const headers: [Buffer, string][] = [
        [proxyLine({ host: "192.0.2.7", port: 4711 }), "192.0.2.7:4711"],
        [ipv4Header({ host: "192.0.2.8", port: 4712 }), "192.0.2.8:4712"],
        [ipv6Header({ digits, port: 4713 }), "[2001:db8::7]:4713"],
      ];
      for (const [header, remote] of headers) {
        const cutAt = async (cut: number) => {
          const socket = await proxied(port, header.subarray(0, cut), header.subarray(cut));
          expect(await register(socket)).toMatchObject({ remote, proxy: PROXY });
        };
        for (let cut = 1; cut <= header.length; cut += 4) {
          await Promise.all([0, 1, 2, 3].map((more) => cutAt(Math.min(cut + more, header.length))));
        }
      }
    });

    test("takes TLS behind the header, and HAProxy's word for where it is from", async () => {
      const header = proxyLine({ host: "192.0.2.9", port: 9 });
      const socket = await proxied(port, header.subarray(0, 20), header.subarray(20));
      const id = `secure-${++clients}`;
      const over = { port, role: "client", id, socket, tls: trusting } as const;
      const client = await V4Client.register(over);
      expect(await gateway.logged("registered", { id }))
        .toMatchObject({ remote: "192.0.2.9:9", proxy: PROXY, tls: true });
      await client.close();
    });

    test("a connection of the proxy's own, or from it knows not whom, has the proxy's address", async () => {
      const local = binaryHeader({ command: 0x20, protocol: 0, content: Buffer.alloc(0) });
      for (const header of [local, Buffer.from("PROXY UNKNOWN\r\n")]) {
        const { remote } = await register(await proxied(port, header));
        expect(remote).toStartWith(`${PROXY}:`);
      }
    });

    test("what is for this machine only is told to whom the proxy says is on it", async () => {
      const told = (host: string) => page(port, "/streams", proxyLine({ host, port: 1 }));
      expect(await told("127.0.0.1")).toBe("200 []");
      expect(await told("192.0.2.7")).toBe("403 ");
      expect(await told("::1")).toBe("200 []");
      // The address of the interface itself: nobody comes from there through a proxy.
      expect(await told("198.51.100.1")).toBe("403 ");
      expect(await page(port, "/streams", Buffer.from("PROXY UNKNOWN\r\n"))).toBe("403 ");
      expect(await page(port, "/streams", Buffer.alloc(0), "127.0.0.3")).toBe("200 []");
    });

    test("nobody else can announce anything", async () => {
      const spoofed = [
        proxyLine({ host: "127.0.0.1", port: 1 }),
        ipv4Header({ host: "127.0.0.1", port: 1 }),
      ];
      for (const header of spoofed) {
        expect(await page(port, "/streams", header, "127.0.0.3")).toBe("");
        expect(await gateway.takeLogged("control_error", { code: "not_json" })).toMatchObject({
          error: "found a PROXY header; allowed: one, from an address of proxy_protocol.trusted",
        });
      }
    });

    test("a missing or broken header closes the connection without a word", async () => {
      const wrong = [
        Buffer.from('{"type":"register","payload":{"role":"client","id":"x","token":"t"}}'),
        Buffer.from("GET /status HTTP/1.1\r\n\r\n"),
        Buffer.from("PROXY TCP4 192.0.2.7\r\n"),
        Buffer.from("PROXY TCP4 " + "1".repeat(200)),
        Buffer.of(0x16, 3, 1, 2, 0),
      ];
      for (const bytes of wrong) {
        const end = await TcpEnd.connect({ port, local_address: PROXY });
        await end.write(bytes);
        await end.turnedAway();
        expect(end.text()).toBe("");
      }
      await gateway.logged("proxy_error", { proxy: undefined });
    });

    // The clock is ours and the same everywhere.
    test.if(runtime === "binary")("who has not finished its header has a deadline", async () => {
      const header = proxyLine({ host: "192.0.2.7", port: 1 });
      const ends = [];
      // The bound for one address is for those whom a proxy announces; for itself there is the whole.
      for (let i = 0; i < 30; i++) {
        const end = await TcpEnd.connect({ port, local_address: PROXY });
        await end.write(header.subarray(0, 5 + i));
        ends.push(end);
      }
      const one_too_many = await TcpEnd.connect({ port, local_address: PROXY });
      await one_too_many.turnedAway();
      await gateway.logged("limit_reached", { limit: "unproven_max" });
      for (const end of ends) await end.turnedAway();
      await gateway.logged("register_refused", {
        error: "no PROXY header within gateway.auth_timeout",
      });
    });

    test("bounds hold by the announced address, not by the proxy's", async () => {
      const from = (host: string) => proxied(port, proxyLine({ host, port: 1 }));
      const hosts = ["192.0.2.1", "192.0.2.2", "192.0.2.2", "192.0.2.3"];
      const held: net.Socket[] = [];
      for (const host of hosts) {
        for (let i = 0; i < 4; i++) held.push(await from(host));
      }
      const ends = held.map((socket) =>
        socket.closed || new Promise((resolve) => socket.once("close", resolve).resume())
      );
      await within("the end of one too many", Promise.race(ends));
      await gateway.logged("limit_reached", {
        limit: "unproven_per_address_max",
        remote: "192.0.2.2",
      });
      await register(await from("192.0.2.4"));
      for (const socket of held) socket.destroy();
    });
  });
}

test("optional: the proxy's address may come without a header, and then is its own", async () => {
  const gateway = await GatewayProcess.start({ settings: settings("optional") });
  const port = gateway.control_port;
  const local_address = PROXY;
  const client = await V4Client.register({ port, role: "client", id: "direct", local_address });
  expect(await gateway.logged("registered", { id: "direct" })).not.toHaveProperty("proxy");
  const secure = { port, role: "client", id: "secure", local_address, tls: trusting } as const;
  const other = await V4Client.register(secure);
  expect(await gateway.logged("registered", { id: "secure" })).toMatchObject({ tls: true });
  const answer = await page(port, "/streams", proxyLine({ host: "192.0.2.7", port: 1 }));
  expect(answer).toBe("403 ");
  await Promise.all([client.close(), other.close()]);

  // From now on nobody is trusted: a header is a wrong first message.
  await gateway.reload({ ...settings("optional"), proxy_protocol: { trusted: [] } });
  const rest = await page(port, "/status", ipv4Header({ host: "192.0.2.7", port: 1 }));
  expect(rest).not.toContain("Running");
  await gateway.stop();
});

test("HAProxy passes TLS through behind its header", async () => {
  const gateway = await GatewayProcess.start({
    settings: { ...settings("required"), proxy_protocol: { trusted: [Haproxy.address] } },
  });
  const passage = { port: gateway.control_port, header: "send-proxy-v2" };
  const haproxy = await Haproxy.start([passage]);
  const port = haproxy.portOf(passage);
  const local_address = "127.0.0.6";
  const there = { port, role: "client", id: "far", local_address, tls: trusting } as const;
  const client = await V4Client.register(there);
  expect(await gateway.logged("registered", { id: "far" }))
    .toMatchObject({ remote: client.remote, proxy: Haproxy.address, tls: true });
  await client.settled();
  await client.close();
  await haproxy.close();
  await gateway.stop();
});
