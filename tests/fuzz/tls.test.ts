/** Handshakes of TLS with anything changed, cut off or put behind them: the gateway goes on serving. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import net, { type AddressInfo } from "node:net";
import tls from "node:tls";
import { TestAuthority } from "../harness/certificates.ts";
import { turn, within } from "../harness/deadline.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { announcedRandom } from "../harness/random.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(60_000);
const random = announcedRandom("tls handshakes");
const authority = new TestAuthority();
const { cert_file, key_file } = authority.issue();
let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await GatewayProcess.start({
    settings: {
      gateway: { auth_timeout: "500ms" },
      tls: {
        cert_file,
        key_file,
        client_auth: "optional",
        client_ca_file: authority.ca_file,
      },
      proxy_protocol: { trusted: ["127.0.0.2"], mode: "optional" },
    },
  });
});
afterAll(async () => {
  await gateway.stop();
  authority.close();
});

/** The first bytes of a real client. */
async function hello(options: tls.ConnectionOptions): Promise<Buffer> {
  const first = new Promise<Buffer>((resolve) => {
    const server = net.createServer((socket) => {
      socket.once("data", (bytes: Buffer) => {
        socket.destroy();
        server.close();
        resolve(bytes);
      });
    });
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      tls.connect({ ...options, port, host: "127.0.0.1" }).on("error", () => {});
    });
  });
  return await within("a hello", first);
}

function changed(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  switch (random.int(0, 4)) {
    case 0:
      return copy.subarray(0, random.int(1, copy.length));
    case 1:
      return Buffer.concat([copy, random.bytes(random.int(1, 3000))]);
    case 2:
      return Buffer.concat([copy, copy]);
    default:
      for (let i = random.int(1, 5); i > 0; i--) {
        copy[random.int(1, copy.length - 1)] = random.int(0, 255);
      }
      return copy;
  }
}

test("changed hellos, from clients and from behind a proxy", async () => {
  const before = gateway.open_descriptors;
  const hellos = [await hello({ maxVersion: "TLSv1.2" }), await hello({})];
  const proxy = Buffer.from("PROXY TCP4 192.0.2.7 192.0.2.1 1 2\r\n");
  const attack = async () => {
    const is_proxied = random.int(0, 3) === 0;
    const end = await TcpEnd.connect({
      port: gateway.control_port,
      local_address: is_proxied ? "127.0.0.2" : "127.0.0.3",
    });
    const bytes = Buffer.concat([
      is_proxied ? proxy : Buffer.alloc(0),
      changed(random.pick(hellos)),
    ]);
    const cut = random.int(0, bytes.length);
    await end.write(bytes.subarray(0, cut)).catch(() => {});
    await turn();
    await end.write(bytes.subarray(cut)).catch(() => {});
    if (random.int(0, 1) === 0) end.abort();
    else await end.turnedAway();
  };
  // Some of them wait for the deadline, so most of them are under way at once.
  for (let round = 0; round < 4; round++) {
    await Promise.all(Array.from({ length: 100 }, attack));
  }
  await gateway.descriptorsAtMost(before);
  const { control_port: port } = gateway;
  const secure = { port, role: "client", id: "still here", tls: { ca: authority.ca } } as const;
  const client = await V4Client.register(secure);
  await client.settled();
  await client.close();
  expect(gateway.stderr).toBe("");
  expect(gateway.linesOf("internal_error")).toEqual([]);
});
