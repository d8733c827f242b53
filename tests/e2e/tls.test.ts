/** TLS on the control port: everything that is spoken there, through every way of getting it wrong. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import https from "node:https";
import tls from "node:tls";
import { TestAuthority } from "../harness/certificates.ts";
import { turn, within } from "../harness/deadline.ts";
import { claimPorts } from "../harness/free-ports.ts";
import { GatewayProcess, type Settings } from "../harness/gateway-process.ts";
import { announcedRandom } from "../harness/random.ts";
import { commandLine, type Runtime } from "../harness/runtime.ts";
import { SplittingPath } from "../harness/splitting-path.ts";
import { helloLine, TcpEnd } from "../harness/tcp-end.ts";
import { V4Client } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const random = announcedRandom("tls");
const authority = new TestAuthority();
const stranger = new TestAuthority("somebody else");
const served = authority.issue({ subject: "/CN=relay.example" });
const trusting = { ca: authority.ca };
afterAll(() => {
  authority.close();
  stranger.close();
});

const tlsSettings = (more: Record<string, unknown> = {}): Settings => ({
  tls: { cert_file: served.cert_file, key_file: served.key_file, ...more },
});

interface Page {
  status: number;
  body: string;
}

/** A GET over TLS, on a connection of its own or on the agent's. */
function page(port: number, path: string, options: https.RequestOptions = {}): Promise<Page> {
  return within(
    `https GET ${path}`,
    new Promise<Page>((resolve, reject) => {
      https.get(
        { host: "127.0.0.1", port, path, agent: false, ...trusting, ...options },
        (answer) => {
          const parts: Buffer[] = [];
          answer.on("data", (part: Buffer) => parts.push(part));
          answer.on("error", reject);
          answer.on("end", () => resolve({ status: answer.statusCode ?? 0, body: parts.join("") }));
        },
      ).on("error", reject);
    }),
  );
}

/** What a program says, with nothing on its standard input unless told. */
async function output(command: string, args: string[], input = ""): Promise<string> {
  const child = spawn(command, args, { stdio: ["pipe", "pipe", "pipe"] });
  let text = "";
  child.stdout.on("data", (bytes) => text += bytes);
  child.stderr.on("data", (bytes) => text += bytes);
  child.stdin.end(input);
  await within(command, new Promise((resolve) => child.once("close", resolve)));
  return text;
}

function openssl(port: number, ...args: string[]): Promise<string> {
  return output("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, ...args]);
}

const runtimes: Runtime[] = ["binary", "deno"];
for (const runtime of runtimes) {
  describe(`the gateway as ${runtime}`, () => {
    let gateway: GatewayProcess;
    let port: number;
    let clients = 0;
    const register = (secure: tls.ConnectionOptions = {}, role: "client" | "server" = "client") =>
      V4Client.register({ port, role, id: `peer-${++clients}`, tls: { ...trusting, ...secure } });

    beforeAll(async () => {
      gateway = await GatewayProcess.start({
        runtime,
        settings: {
          ...tlsSettings({ client_auth: "optional", client_ca_file: authority.ca_file }),
          gateway: { auth_timeout: "1500ms" },
          limits: { unproven_per_address_max: 20, control_queue_bytes_max: 65_536 },
        },
      });
      port = gateway.control_port;
    }, 60_000);
    afterAll(() => gateway.stop(), 60_000);

    test("registers, pairs and broadcasts, and a session runs", async () => {
      const [server, client] = await Promise.all([register({}, "server"), register()]);
      expect(await gateway.logged("registered", { id: client.id })).toMatchObject({ tls: true });
      const plain = await V4Client.register({ port, role: "client", id: `plain-${++clients}` });
      expect(await gateway.logged("registered", { id: plain.id })).not.toHaveProperty("tls");
      const request = client.ask({ need_zmq: true, server_id: server.id });
      const { session_id, zmq_port } = await client.granted(request);
      const ends = [client, server].map(({ id }, at) => {
        const end = new TcpEnd({ port: zmq_port! });
        const role = at === 0 ? "client" : "server";
        return { end, hello: helloLine({ role, session_id, id }) };
      });
      for (const { end, hello } of ends) await end.write(hello);
      await ends[0].end.write("through\n");
      expect((await ends[1].end.head(8)).toString()).toBe("through\n");
      await client.telemetry((list) => list.some((one) => one.session_id === session_id));
      for (const { end } of ends) end.destroy();
      for (const one of [server, client, plain]) await one.close();
    });

    test("answers HTTP, many requests on one connection, pages for this machine included", async () => {
      const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ...trusting });
      for (let i = 0; i < 3; i++) {
        const { status, body } = await page(port, "/status", { agent });
        expect([status, JSON.parse(body).status]).toEqual([200, "Running"]);
      }
      agent.destroy();
      expect(await page(port, "/streams")).toEqual({ status: 200, body: "[]" });
      expect((await page(port, "/nothing")).status).toBe(404);
      expect((await gateway.statusPage()).status).toBe("Running");
    });

    test("takes a handshake that is cut anywhere", async () => {
      const path = await SplittingPath.to(port);
      const hello = async (cut: number, secure: tls.ConnectionOptions) => {
        path.cut = cut;
        const socket = tls.connect({ port: path.port, host: "127.0.0.1", ...trusting, ...secure });
        const answered = new Promise<string>((resolve, reject) => {
          socket.once(
            "secureConnect",
            () => socket.write("GET /nothing HTTP/1.1\r\nhost: x\r\n\r\n"),
          );
          socket.once("data", (bytes) => resolve(bytes.toString()));
          socket.once("error", reject);
        });
        expect(await within(`an answer, cut at ${cut}`, answered)).toStartWith("HTTP/1.1 404");
        socket.destroy();
      };
      const older = { maxVersion: "TLSv1.2" } as const;
      await hello(1, older);
      const length = path.first_bytes;
      expect(length).toBeGreaterThan(100);
      for (let cut = 2; cut < length; cut++) await hello(cut, older);
      // A hello of TLS 1.3 has the same beginning, and one or two packets of keys behind it.
      await hello(1, {});
      for (let cut = 2; cut < path.first_bytes; cut += random.int(1, 100)) await hello(cut, {});
      path.close();
    });

    test("loses nothing of what it is sent, however it is split", async () => {
      const client = await register();
      const count = 500;
      const ask = (at: number) =>
        JSON.stringify({
          type: "pair_request",
          payload: { request_id: `r${at}`, need_zmq: false },
        });
      const bytes = Buffer.from(Array.from({ length: count }, (_, at) => ask(at)).join(""));
      for (let at = 0; at < bytes.length;) {
        const length = random.int(1, 4000);
        await client.write(bytes.subarray(at, at + length));
        if (random.int(0, 1) === 1) await turn();
        at += length;
      }
      for (let at = 0; at < count; at++) await client.refused(`r${at}`);
      await client.close();
    });

    test("who has a good certificate is known by its name, and who has none by none", async () => {
      const cases: [string, string | undefined, string | undefined][] = [
        ["/CN=cam-7", "DNS:other.example", "cam-7"],
        ["/O=nobody", "URI:spiffe://relays/cam-8", "spiffe://relays/cam-8"],
        ["/O=nobody", "DNS:a.example,DNS:b.example", undefined],
        ["/CN=one/CN=two", undefined, undefined],
        ["/CN=a\nCN=admin", undefined, undefined],
      ];
      for (const [subject, names, certificate_name] of cases) {
        const { cert, key } = authority.issue({ subject, names });
        for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
          const client = await register({ cert, key, maxVersion });
          const line = await gateway.logged("registered", { id: client.id });
          expect(line.certificate_name).toBe(certificate_name);
          await client.close();
        }
      }
      const without = await register();
      const line = await gateway.logged("registered", { id: without.id });
      expect(line).not.toHaveProperty("certificate_name");
      await without.close();
    });

    test("a certificate that is not good is refused, also where none is needed", async () => {
      const expired = authority.issue({ subject: "/CN=cam-7", days: -2 });
      const foreign = stranger.issue({ subject: "/CN=cam-7" });
      for (const { cert, key } of [expired, foreign]) {
        const client = await V4Client.connect({ port, tls: { ...trusting, cert, key } });
        expect(await client.tryRegister({ role: "client", id: "cam-7", token: "t" }))
          .toEqual({ status: "error", code: 501, error: "501 client certificate not accepted" });
        await client.closed();
        expect(await page(port, "/status", { cert, key }))
          .toEqual({ status: 403, body: "501 client certificate not accepted\n" });
      }
      await gateway.logged("tls_refused");
    });

    test("what is no handshake is closed, and says so in the log", async () => {
      const wrong = [
        Buffer.concat([Buffer.of(0x16), random.bytes(300)]),
        Buffer.from([0x16, 3, 1, 0xff, 0xff, ...random.bytes(100)]),
        Buffer.from([0x16, 3, 1, 0, 5, 2, 0, 0, 1, 0]),
      ];
      for (const bytes of wrong) {
        const end = new TcpEnd({ port });
        await end.write(bytes);
        await end.turnedAway();
      }
      await gateway.logged("tls_failed");
      expect((await page(port, "/nothing")).status).toBe(404);
    });

    test("a version that is too old is refused by an alert", async () => {
      const text = await openssl(port, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0");
      expect(text).toMatch(/alert (protocol version|handshake failure)/);
      expect(await openssl(port, "-tls1_2")).toContain("Protocol  : TLSv1.2");
    });

    test("handshakes that never end cost a place each, for a bounded time", async () => {
      const before = gateway.open_descriptors;
      // Who is through and never registers has the same time, the handshake included.
      const started = performance.now();
      const silent = await V4Client.connect({ port, tls: trusting });
      const ends = Array.from(
        { length: 20 },
        () => new TcpEnd({ port, local_address: "127.0.0.9" }),
      );
      for (const end of ends) {
        // The beginning of a hello of 512 bytes.
        await end.write(Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, ...random.bytes(20)]));
      }
      const one_too_many = new TcpEnd({ port, local_address: "127.0.0.9" });
      await one_too_many.turnedAway();
      await gateway.logged("limit_reached", { limit: "unproven_per_address_max" });
      // Others are not concerned.
      expect((await page(port, "/nothing")).status).toBe(404);
      for (const end of ends) await end.turnedAway();
      await gateway.logged("register_refused", {
        error: "no TLS handshake within gateway.auth_timeout",
      });
      await silent.closed();
      expect(performance.now() - started).toBeGreaterThan(1400);
      await gateway.logged("register_refused", {
        error: "no register within gateway.auth_timeout",
      });
      await gateway.descriptorsAtMost(before);
    });

    test("a peer that takes nothing is cut at its bound", async () => {
      const client = await register();
      const before = gateway.resident_bytes;
      client.pause();
      const ask = JSON.stringify({
        type: "pair_request",
        payload: { request_id: "x".repeat(2000) },
      });
      const flood = Buffer.from(ask.repeat(50));
      let is_over = false;
      void client.closed().then(() => is_over = true);
      const cut = gateway.logged("limit_reached", {
        limit: "control_queue_bytes_max",
        id: client.id,
      });
      void cut.then(() => is_over = true);
      for (let i = 0; i < 2000 && !is_over; i++) await client.write(flood);
      await cut;
      client.destroy();
      expect(gateway.resident_bytes - before).toBeLessThan(64 * 1024 * 1024);
    });
  });
}

describe("the rules", () => {
  test("required: whoever does not speak TLS is told so and gets nothing", async () => {
    const gateway = await GatewayProcess.start({ settings: tlsSettings({ required: true }) });
    const port = gateway.control_port;
    const plain = await V4Client.connect({ port });
    expect(await plain.tryRegister({ role: "client", id: "plain", token: "t" }))
      .toEqual({ status: "error", code: 502, error: "502 tls required" });
    await plain.closed();
    for (const path of ["/status", "/streams", "/nothing"]) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`);
      expect([answer.status, await answer.text()]).toEqual([403, "502 tls required\n"]);
    }
    await gateway.logged("tls_refused", { error: "no TLS" });
    const client = await V4Client.register({ port, role: "client", id: "safe", tls: trusting });
    await client.close();
    const curl = ["-sS", "--cacert", authority.ca_file, `https://127.0.0.1:${port}/status`];
    expect(JSON.parse(await output("curl", curl)).status).toBe("Running");
    await gateway.stop();
  });

  test("client_auth required: nobody is let in without a good certificate", async () => {
    const settings = tlsSettings({ client_auth: "required", client_ca_file: authority.ca_file });
    const gateway = await GatewayProcess.start({ settings });
    const port = gateway.control_port;
    const none = await V4Client.connect({ port, tls: trusting });
    expect(await none.tryRegister({ role: "server", id: "none", token: "t" }))
      .toEqual({ status: "error", code: 501, error: "501 client certificate required" });
    await none.closed();
    expect((await page(port, "/status")).status).toBe(403);
    const { cert, key } = authority.issue({ subject: "/CN=cam-7" });
    expect((await page(port, "/status", { cert, key })).status).toBe(200);
    const foreign = stranger.issue({ subject: "/CN=cam-7" });
    const wrong = await V4Client.connect({ port, tls: { ...trusting, ...foreign } });
    expect(await wrong.tryRegister({ role: "server", id: "wrong", token: "t" }))
      .toMatchObject({ code: 501, error: "501 client certificate not accepted" });
    await wrong.closed();
    await gateway.stop();
  });

  test("a session that is resumed is the same peer, as long as the rules are the same", async () => {
    const rules = { client_auth: "required", client_ca_file: authority.ca_file };
    const gateway = await GatewayProcess.start({ settings: tlsSettings(rules) });
    const port = gateway.control_port;
    const { cert, key } = authority.issue({ subject: "/CN=cam-7" });
    const connected = async (options: tls.ConnectionOptions) => {
      const over = {
        port,
        host: "127.0.0.1",
        maxVersion: "TLSv1.2",
        ...trusting,
        ...options,
      } as const;
      const socket = tls.connect(over);
      const secure = new Promise<void>((resolve, reject) => {
        socket.once("secureConnect", resolve).once("error", reject);
      });
      await within("a handshake", secure);
      return socket;
    };
    const first = await connected({ cert, key });
    const session = first.getSession()!;
    first.destroy();
    const socket = await connected({ session });
    expect(socket.isSessionReused()).toBe(true);
    const again = await V4Client.register({ port, role: "client", id: "again", socket });
    expect(await gateway.logged("registered", { id: "again" }))
      .toMatchObject({ certificate_name: "cam-7" });
    // Another authority: what it has not signed is worth nothing, resumed or not.
    await gateway.reload(tlsSettings({ ...rules, client_ca_file: stranger.ca_file }));
    const late = await V4Client.connect({ port, socket: await connected({ session }) });
    expect(await late.tryRegister({ role: "client", id: "late", token: "t" }))
      .toMatchObject({ code: 501 });
    await again.close();
    await gateway.stop();
  });

  test("min_version 1.3 refuses 1.2", async () => {
    const gateway = await GatewayProcess.start({ settings: tlsSettings({ min_version: "1.3" }) });
    const port = gateway.control_port;
    expect(await openssl(port, "-tls1_2")).toMatch(/alert protocol version/);
    expect(await openssl(port, "-tls1_3")).toContain("TLSv1.3");
    await gateway.stop();
  });

  test("a port of its own speaks TLS only, and the control port stays what it was", async () => {
    const ports = await claimPorts();
    const tls_port = ports.control + 60;
    const gateway = new GatewayProcess(ports, { settings: tlsSettings({ port: tls_port }) });
    gateway.launch();
    expect(await gateway.logged("serving")).toMatchObject({ tls_port });
    for (const port of [tls_port, ports.control]) {
      const client = await V4Client.register({ port, role: "client", id: "x", tls: trusting });
      await client.close();
    }
    const plain = await V4Client.connect({ port: tls_port });
    plain.send({ type: "register", payload: { role: "client", id: "x", token: "t" } });
    await plain.closed();
    expect(plain.received_bytes).toBe(0);
    await gateway.logged("tls_failed", { error: "the first byte is no TLS handshake" });
    await gateway.stop();
  });

  test("the end is an orderly one", async () => {
    const gateway = await GatewayProcess.start({ settings: tlsSettings() });
    const port = gateway.control_port;
    const client = await V4Client.register({ port, role: "client", id: "x", tls: trusting });
    const child = spawn("openssl", ["s_client", "-connect", `127.0.0.1:${port}`, "-ign_eof"]);
    let text = "";
    for (const out of [child.stdout, child.stderr]) out.on("data", (bytes) => text += bytes);
    const message = { type: "register", payload: { role: "server", id: "s", token: "t" } };
    child.stdin.write(`${JSON.stringify(message)}\n`);
    await gateway.logged("registered", { id: "s" });
    const closed = new Promise((resolve) => child.once("close", resolve));
    await gateway.stop();
    expect((await client.closed()).error).toBeNull();
    await within("the end of openssl", closed);
    // Without a close_notify it would complain of an unexpected end.
    expect(text).toEndWith("closed\n");
    expect(text).not.toContain("unexpected eof");
  });

  test("files that cannot be used stop the start and the check, with their place", async () => {
    const ports = await claimPorts();
    const other = authority.issue();
    const settings = tlsSettings({ key_file: other.key_file });
    const gateway = new GatewayProcess(ports, { settings });
    gateway.launch();
    expect((await gateway.exited()).code).toBe(2);
    expect(gateway.stderr).toMatch(
      /config\.yaml:\d+:\d+ tls\.key_file: found ".*", which is the key of another certificate/,
    );
    await gateway.kill();
  });
});

test("the tools speak it, and know a gateway that is not the one they trust", async () => {
  const settings = tlsSettings({
    required: true,
    client_auth: "required",
    client_ca_file: authority.ca_file,
  });
  const gateway = await GatewayProcess.start({ settings });
  const file = authority.write("file.bin", random.bytes(300_000).toString("latin1"));
  const { cert_file, key_file } = authority.issue({ subject: "/CN=tools" });
  const at = ["-addr", `127.0.0.1:${gateway.control_port}`];
  const good = [...at, "-ca", authority.ca_file, "-cert", cert_file, "-key", key_file];
  const relayx = (...args: string[]) => output(...commandLine("binary", args));

  const tools = [
    spawn(...commandLine("binary", ["video-be", ...good, "-id", "be"])),
    spawn(...commandLine("binary", ["video-fe", ...good, "-id", "fe", "-file", file])),
  ];
  for (const id of ["be", "fe"]) {
    await gateway.logged("registered", { id, certificate_name: "tools", tls: true });
  }
  expect(await relayx("streams", ...good, "--json")).toBe("[]\n");
  for (const one of tools) {
    const over = new Promise((resolve) => one.once("close", resolve));
    one.kill("SIGTERM");
    await within("the end of a tool", over);
  }

  const wrong: [string[], string][] = [
    [at, "502 tls required"],
    [[...at, "-ca", authority.ca_file], "501 client certificate required"],
    [[...good, "-ca", stranger.ca_file], "TLS with the gateway at"],
    [[...good, "-server_name", "other.example"], "ALTNAME"],
  ];
  await Promise.all(wrong.map(async ([flags, message]) => {
    expect(await relayx("video-fe", "-file", file, "-zmq", ...flags)).toContain(message);
  }));
  expect(await relayx("streams", ...at)).toContain("502 tls required; see --tls");
  await gateway.stop();
});

describe("a reload", () => {
  /** The fingerprint of the certificate that a new connection is shown. */
  async function shown(port: number): Promise<string> {
    const socket = tls.connect({ port, host: "127.0.0.1", ...trusting });
    const secure = new Promise<void>((resolve, reject) => {
      socket.once("secureConnect", resolve).once("error", reject);
    });
    await within("a handshake", secure);
    const { subject } = socket.getPeerCertificate();
    socket.destroy();
    return String(subject.CN);
  }

  test("shows the new certificate to new connections, and lets the old ones live", async () => {
    const current = authority.issue({ subject: "/CN=first" });
    const settings = {
      tls: {
        cert_file: authority.write("live.crt", current.cert),
        key_file: authority.write("live.key", current.key),
      },
    };
    const gateway = await GatewayProcess.start({ settings });
    const port = gateway.control_port;
    const old = await V4Client.register({ port, role: "client", id: "old", tls: trusting });
    expect(await shown(port)).toBe("first");

    // The same names with other contents, as a renewal leaves them.
    const second = authority.issue({ subject: "/CN=second", days: 5 });
    authority.write("live.crt", second.cert);
    authority.write("live.key", second.key);
    expect((await gateway.reload(settings)).status).toBe("reloaded");
    expect(await gateway.logged("certificate_expires")).toMatchObject({ level: "warn" });
    expect(await shown(port)).toBe("second");
    await old.settled();

    // A certificate without its key changes nothing, nor does anything else in that file.
    authority.write("live.key", current.key);
    const refused = await gateway.reload({ ...settings, gateway: { max_connections: 1 } });
    expect(refused).toMatchObject({ status: "reload_refused" });
    expect(String(refused.error)).toContain("tls.key_file");
    expect(await shown(port)).toBe("second");
    const another = await V4Client.register({ port, role: "client", id: "new", tls: trusting });
    await another.close();

    // Off and on again; who is there stays.
    expect((await gateway.reload({})).status).toBe("reloaded");
    await old.settled();
    const plain = await V4Client.connect({ port });
    await plain.write(Buffer.of(0x16, 3, 1, 0, 5));
    await plain.closed();
    authority.write("live.key", second.key);
    expect((await gateway.reload(settings)).status).toBe("reloaded");
    expect(await shown(port)).toBe("second");
    await old.settled();
    await old.close();
    await gateway.stop();
  });
});
