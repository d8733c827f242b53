/** Passphrases of single streams and sessions on a shared port, by the gateway as it ships. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { claimPorts, type PortBlock } from "../harness/free-ports.ts";
import { GatewayProcess, type Settings } from "../harness/gateway-process.ts";
import { Meeting } from "../harness/meeting.ts";
import { plainEnvironment, type Runtime } from "../harness/runtime.ts";
import { SrtThread } from "../harness/srt-end.ts";

setDefaultTimeout(40_000);

const passphrase = "correct horse";
const latency_ms = 300;
/** The distribution's, which knows nothing of our hook. */
const other_libsrt = plainEnvironment({ RELAYX_LIBSRT: "libsrt.so.1.5" });
const asked = { need_srt: true, qos: { srt: { encrypt: true } } };

let thread: SrtThread;
let ports: PortBlock;
let shared_port: number;
beforeAll(async () => {
  thread = await SrtThread.start();
  ports = await claimPorts({ srt_ports: 1 });
  shared_port = ports.srt.first;
});
afterAll(async () => {
  await thread.close();
  await ports.release();
});

function settings(more: Settings = {}): Settings {
  return {
    gosrt: { shared_port, mode: "shared", ...more.gosrt },
    streams: more.streams ?? {},
  };
}

for (const runtime of ["binary", "deno"] as Runtime[]) {
  describe(`the gateway as ${runtime}`, () => {
    let gateway: GatewayProcess;
    beforeAll(async () => {
      const streams = { vault: { passphrase }, cam: {} };
      gateway = await GatewayProcess.start({ runtime, settings: settings({ streams }) });
    });
    afterAll(() => gateway.stop());

    test("a stream has its own, and the one beside it none", async () => {
      const port = shared_port;
      for (const wrong of ["wrong horse", undefined]) {
        const stranger = thread.dial({ port, stream_id: "read:vault", passphrase: wrong });
        expect(await stranger.turnedAway()).toBe(0);
      }
      // Two of a kind from one address are one line, or two.
      const line = await gateway.logged("encryption_error", { name: "vault", port });
      expect(line.detail).toBe('the peer has a wrong passphrase for the stream "vault"');
      expect(JSON.stringify(gateway.log.items)).not.toContain("horse");
      for (const [name, own] of [["vault", passphrase], ["cam", undefined]] as const) {
        const dial = { port, passphrase: own, latency_ms };
        const viewer = await thread.connect({ ...dial, stream_id: `read:${name}` });
        const publisher = await thread.connect({ ...dial, stream_id: `publish:${name}` });
        await gateway.logged("viewing", { name });
        publisher.send(`to ${name}`);
        expect((await viewer.message()).toString()).toBe(`to ${name}`);
        await publisher.close();
        await viewer.close();
      }
    });

    test("a session has its own, for ends that name it in the stream id", async () => {
      const meeting = await Meeting.of(gateway, { name: `passphrases-${runtime}` });
      const request_id = meeting.client.ask({ server_id: meeting.server.id, ...asked });
      const grant = await meeting.client.granted(request_id);
      const { session_id, client_id, server_id, srt_port: port = 0 } = grant;
      const { srt_passphrase } = grant as { srt_passphrase?: string };
      expect(srt_passphrase).toMatch(/^[0-9a-f]{32}$/);
      const hello = { role: "server", session_id, id: server_id } as const;
      const late = await thread.join({ port, hello, latency_ms });
      const { detail } = await gateway.logged("encryption_error", { session_id });
      expect(detail).toContain("#!::s=");
      await late.turnedAway();
      const join = (u: string) =>
        thread.connect({
          port,
          latency_ms,
          stream_id: `#!::s=${session_id},u=${u}`,
          passphrase: srt_passphrase,
        });
      const server = await join(server_id);
      const client = await join(client_id);
      await gateway.logged("paired", { session_id });
      client.send("up");
      expect((await server.message()).toString()).toBe("up");
      await client.close();
      await gateway.logged("session_stop", { session_id });
      expect(JSON.stringify(gateway.log.items)).not.toContain(srt_passphrase!);
      await meeting.close();
    });
  });
}

describe("with another libsrt", () => {
  test("a stream with a passphrase on the shared port stops the start, and says what to do", async () => {
    const gateway = new GatewayProcess(await claimPorts(), {
      environment: other_libsrt,
      settings: settings({ streams: { cam: {}, vault: { passphrase } } }),
    });
    try {
      gateway.launch();
      expect((await gateway.exited()).code).toBe(1);
      const said = gateway.stderr + JSON.stringify(gateway.log.items);
      expect(said).toContain("streams.vault.passphrase");
      expect(said).toContain("libsrt.so.1.5");
      expect(said).toContain("streams.vault.port, or unset RELAYX_LIBSRT");
      expect(said).not.toContain("horse");
    } finally {
      await gateway.kill();
    }
  });

  test("the rest is served, and a wish for encryption on a shared port refused", async () => {
    const gateway = await GatewayProcess.start({
      environment: other_libsrt,
      settings: settings({ streams: { cam: {} } }),
    });
    try {
      const meeting = await Meeting.of(gateway, { name: "other-libsrt" });
      const refused = await meeting.client.refused(meeting.client.ask(asked));
      expect(refused).toMatchObject({ code: 502 });
      expect(refused.error).toContain("its libsrt knows one passphrase for all of them");
      const dial = { port: shared_port, latency_ms };
      const viewer = await thread.connect({ ...dial, stream_id: "read:cam" });
      const publisher = await thread.connect({ ...dial, stream_id: "publish:cam" });
      await gateway.logged("viewing", { name: "cam" });
      publisher.send("plain");
      expect((await viewer.message()).toString()).toBe("plain");
      await meeting.close();
    } finally {
      await gateway.stop();
    }
  });
});
