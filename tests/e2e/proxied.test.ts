/** The gateway behind HAProxy, which says by PROXY headers where its clients are. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { Haproxy, type Passage } from "../harness/haproxy.ts";
import { carry, helloFor, Meeting } from "../harness/meeting.ts";
import { binaryHeader, proxyLine } from "../harness/proxy-header.ts";
import { helloLine, TcpEnd } from "../harness/tcp-end.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(30_000);

const total_bytes = 3_000_000;

test("who fails behind a proxy again and again is banned, and the proxy never is", async () => {
  const gateway = await GatewayProcess.start({
    settings: {
      proxy_protocol: { trusted: [Haproxy.address] },
      bans: { failures_max: 3, exempt: [] },
    },
  });
  try {
    const meeting = await Meeting.of(gateway, { name: "bans" });
    const grant = await meeting.session("zmq");
    const { session_id, zmq_port: port = 0 } = grant;
    /** Comes from the proxy's address with this header, and says something. */
    const come = async (header: Uint8Array, saying: Uint8Array | string) => {
      const end = await TcpEnd.connect({ port, local_address: Haproxy.address });
      const { remote } = end;
      await end.write(header);
      end.writeCarelessly(saying);
      return { end, remote };
    };
    const local = binaryHeader({ command: 0x20, protocol: 0, content: new Uint8Array() });
    for (let i = 0; i < 5; i++) {
      const { end, remote } = await come(local, "GET /\n");
      await end.turnedAway();
      await gateway.logged("hello_error", { session_id, remote });
    }
    for (let i = 0; i < 3; i++) {
      const { end } = await come(proxyLine({ host: "192.0.2.7", port: i }), "GET /\n");
      await end.turnedAway();
      await gateway.logged("hello_error", { session_id, remote: `192.0.2.7:${i}` });
    }
    await gateway.logged("banned", { subject: "address:192.0.2.7" });
    const hello = helloLine(helloFor(grant, "client"));
    const other = await come(proxyLine({ host: "192.0.2.8", port: 8 }), hello);
    await gateway.logged("client_pending", { session_id, remote: "192.0.2.8:8" });
    // The data workers are told a moment later, and tell of those they close once a second.
    const held = gateway.logged("banned", { kind: "zmq" }).then(({ remote }) => remote);
    let answer: unknown = null;
    held.then((remote) => answer = remote, (error) => answer = error);
    while (answer === null) {
      const banned = await come(proxyLine({ host: "192.0.2.7", port: 9 }), hello);
      await banned.end.turnedAway();
    }
    expect(await held).toBe("192.0.2.7:9");
    expect(gateway.linesOf("banned").map(({ subject }) => subject).filter(Boolean)).toEqual([
      "address:192.0.2.7",
    ]);
    other.end.destroy();
    await meeting.close();
  } finally {
    await gateway.stop();
  }
});

describe("behind HAProxy", () => {
  let gateway: GatewayProcess;
  let haproxy: Haproxy;
  /** Each way to the control port and to the one data port. */
  let control: Passage[];
  let data: Passage[];

  beforeAll(async () => {
    gateway = await GatewayProcess.start({
      tcp_ports: 1,
      settings: {
        proxy_protocol: { trusted: [`${Haproxy.address}/32`] },
        limits: { hello_timeout_ms: 500 },
      },
    });
    const headers = ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c"];
    control = headers.map((header) => ({ port: gateway.control_port, header }));
    data = headers.map((header) => ({ port: gateway.ports.tcp.first, header }));
    haproxy = await Haproxy.start([...control, ...data]);
  });
  afterAll(async () => {
    await haproxy.close();
    await gateway.stop();
  });

  for (const way of [0, 1, 2]) {
    test(`the ends of a session are known by their own addresses, way ${way}`, async () => {
      const register = (role: "server" | "client", local_address: string) =>
        V4Client.register({
          port: haproxy.portOf(control[way]),
          role,
          id: `${role}-${way}`,
          local_address,
        });
      const meeting = new Meeting({
        gateway,
        server: await register("server", "127.0.0.3"),
        client: await register("client", "127.0.0.4"),
      });
      for (const { id, remote } of [meeting.server, meeting.client]) {
        await gateway.logged("registered", { id, remote });
      }
      const grant = await meeting.session("zmq");
      const join = (role: "server" | "client", local_address: string) =>
        TcpEnd.join({
          port: haproxy.portOf(data[way]),
          hello: helloFor(grant, role),
          local_address,
        });
      const { session_id } = grant;
      const server = await join("server", "127.0.0.5");
      await gateway.logged("server_pending", { session_id, remote: server.remote });
      const client = await join("client", "127.0.0.6");
      await gateway.logged("paired", { session_id, remote: client.remote });
      const [up, down] = await Promise.all([
        carry({ from: client, to: server, total_bytes, seed: 1 }),
        carry({ from: server, to: client, total_bytes, seed: 2 }),
      ]);
      expect([up.received, down.received]).toEqual([up.sent, down.sent]);
      client.halfClose();
      server.halfClose();
      await gateway.logged("session_stop", {
        session_id,
        reason: "finished",
        bytes_up: total_bytes,
        bytes_down: total_bytes,
      });
      await Promise.all([client.closed(), server.closed()]);
      await meeting.close();
    });
  }

  test("from HAProxy's address nobody comes without a header, from others nobody with one", async () => {
    const meeting = await Meeting.of(gateway, { name: "direct" });
    const grant = await meeting.session("zmq");
    const { session_id, zmq_port: port = 0 } = grant;
    const hello = helloLine(helloFor(grant, "client"));

    const bare = await TcpEnd.connect({ port, local_address: Haproxy.address });
    const bare_remote = bare.remote;
    await bare.write(hello);
    await bare.turnedAway();
    await gateway.logged("proxy_error", { session_id, remote: bare_remote });

    const pretender = await TcpEnd.connect({ port, local_address: "127.0.0.7" });
    const pretender_remote = pretender.remote;
    await pretender.write(proxyLine({ host: "192.0.2.7", port: 7 }));
    await pretender.turnedAway();
    await gateway.logged("hello_error", { session_id, remote: pretender_remote });

    const silent = await V4Client.connect({
      port: gateway.control_port,
      local_address: Haproxy.address,
    });
    const silent_remote = silent.remote;
    silent.send({ type: "register", payload: { role: "client", id: "x", token: "x" } });
    await silent.closed();
    await gateway.logged("proxy_error", { remote: silent_remote });
    await meeting.close();
  });
});
