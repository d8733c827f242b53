import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { has_live_transmit, LiveTransmit } from "../harness/live-transmit.ts";
import { helloFor, joinTcp, Meeting } from "../harness/meeting.ts";
import { threadCount } from "../harness/process-facts.ts";
import { Random } from "../harness/random.ts";
import { SrtThread } from "../harness/srt-end.ts";
import {
  askOffer,
  flag_stream,
  flag_tlpktdrop,
  flag_tsbpd_receive,
  flag_tsbpd_send,
} from "../harness/srt-handshake.ts";
import { joinSrt, joinSrtAs, type SrtSession } from "../harness/srt-meeting.ts";
import { helloLine } from "../harness/tcp-end.ts";
import type { Grant } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

const sides = ["client", "server"] as const;
const otherSide = { client: "server", server: "client" } as const;

describe("relay over SRT", () => {
  let gateway: GatewayProcess;
  let thread: SrtThread;
  let meeting: Meeting;

  beforeAll(async () => {
    gateway = await GatewayProcess.start({ srt_ports: 8 });
    thread = await SrtThread.start();
    meeting = await Meeting.of(gateway, { name: "srt" });
  });
  afterAll(async () => {
    await meeting.close();
    await thread.close();
    await gateway.stop();
  });

  const stopped = (grant: Grant) =>
    gateway.logged("session_stop", { session_id: grant.session_id });

  async function end({ client, server, grant }: SrtSession): Promise<void> {
    await client.close();
    await server.closed();
    await stopped(grant);
  }

  for (const first of sides) {
    test(`messages flow both ways when the ${first} connects first`, async () => {
      const grant = await meeting.session("srt");
      const session = await joinSrt({ gateway, thread, grant, first });
      session.client.send("from the front");
      session.server.send("from the back");
      expect((await session.server.message()).toString()).toBe("from the front");
      expect((await session.client.message()).toString()).toBe("from the back");
      await end(session);
    });

    test(`payload in the hello's own message comes first, ${first} first`, async () => {
      const grant = await meeting.session("srt");
      const { session_id } = grant;
      const one = await joinSrtAs(thread, grant, first, { behind: `behind ${first}\n\0` });
      one.send("second");
      await gateway.logged(`${first}_pending`, { session_id });
      const other = await joinSrtAs(thread, grant, otherSide[first], { behind: "answer" });
      const [head, next] = [await other.message(), await other.message()];
      expect(Buffer.concat([head, next]).toString()).toBe(`behind ${first}\n\0second`);
      expect((await one.message()).toString()).toBe("answer");
      await one.close();
      await other.closed();
      await stopped(grant);
    });

    test(`the close of the ${first} ends the session for the other`, async () => {
      const grant = await meeting.session("srt");
      const session = await joinSrt({ gateway, thread, grant });
      await session[first].close();
      await session[otherSide[first]].closed();
      await stopped(grant);
    });

    test(`a waiting ${first} that goes makes room for another`, async () => {
      const grant = await meeting.session("srt");
      const { session_id } = grant;
      const gone = await joinSrtAs(thread, grant, first);
      await gateway.takeLogged(`${first}_pending`, { session_id });
      await gone.close();
      let next = await joinSrtAs(thread, grant, first);
      for (let tries = 0;; tries++) {
        const { status } = await gateway.log.take(
          "waiting again",
          (line) =>
            line.session_id === session_id &&
            (line.status === `${first}_pending` || line.status === `${first}_dup`),
        );
        if (status === `${first}_pending`) break;
        await next.closed();
        expect(tries).toBeLessThan(20);
        next = await joinSrtAs(thread, grant, first);
      }
      const partner = await joinSrtAs(thread, grant, otherSide[first]);
      partner.send("found you");
      expect((await next.message()).toString()).toBe("found you");
      await partner.close();
      await next.closed();
      await stopped(grant);
    });

    test(`a second ${first} is turned away while the first waits`, async () => {
      const grant = await meeting.session("srt");
      const { session_id } = grant;
      const one = await joinSrtAs(thread, grant, first);
      await gateway.logged(`${first}_pending`, { session_id });
      const second = await joinSrtAs(thread, grant, first);
      expect((await second.closed()).bytes).toBe(0);
      await gateway.logged(`${first}_dup`, { session_id });
      const other = await joinSrtAs(thread, grant, otherSide[first]);
      other.send("still yours");
      expect((await one.message()).toString()).toBe("still yours");
      await one.close();
      await other.closed();
      await stopped(grant);
    });

    test(`messages from the ${first} keep their sizes, up to 1456 bytes`, async () => {
      const grant = await meeting.session("srt");
      const session = await joinSrt({
        gateway,
        thread,
        grant,
        payload_bytes: 1456,
        latency_ms: 300,
      });
      const random = new Random(5);
      const sizes = [1, 2, 188, 1315, 1316, 1317, 1400, 1455, 1456];
      const messages = Array.from(
        { length: 120 },
        (_, at) => random.bytes(sizes[at % sizes.length]),
      );
      for (const message of messages) session[first].send(message);
      const to = session[otherSide[first]];
      for (const message of messages) {
        expect((await to.message()).toString("hex")).toBe(message.toString("hex"));
      }
      await end(session);
    });
  }

  for (const message_bytes of [1316, 1456]) {
    test(`20 MB at 100 Mbit/s in messages of ${message_bytes} bytes`, async () => {
      const grant = await meeting.session("srt");
      const session = await joinSrt({
        gateway,
        thread,
        grant,
        payload_bytes: 1456,
        // A busy machine stalls for longer than the default 120 ms, and live mode drops then.
        latency_ms: 600,
        quiet: true,
      });
      const messages = Math.ceil(20_000_000 / message_bytes);
      const [sent, arrived] = await Promise.all([
        session.client.pour({ messages, message_bytes, mbps: 100 }),
        session.server.reached(messages * message_bytes, 30_000),
      ]);
      expect(arrived).toEqual({
        bytes: messages * message_bytes,
        messages,
        smallest: message_bytes,
        largest: message_bytes,
        sha256: sent,
      });
      await end(session);
      const line = await stopped(grant);
      expect(line.bytes_up).toBe(messages * message_bytes);
    }, 60_000);
  }

  test("both directions at once, and telemetry tells of them", async () => {
    const grant = await meeting.session("srt");
    const session = await joinSrt({ gateway, thread, grant, latency_ms: 600, quiet: true });
    const messages = 5_000;
    const busy = meeting.client.telemetry((list) =>
      list.some(({ kind, mbps_up, mbps_down }) => kind === "srt" && mbps_up > 5 && mbps_down > 5)
    );
    const [up, down, atServer, atClient, telemetry] = await Promise.all([
      session.client.pour({ messages, message_bytes: 1316, mbps: 25, seed: 41 }),
      session.server.pour({ messages, message_bytes: 1316, mbps: 25, seed: 42 }),
      session.server.reached(messages * 1316, 30_000),
      session.client.reached(messages * 1316, 30_000),
      busy,
    ]);
    expect([atServer.sha256, atClient.sha256]).toEqual([up, down]);
    const [entry] = telemetry;
    expect(entry).toMatchObject({ port: grant.srt_port, session_id: grant.session_id });
    expect(entry.mbps_up).toBeLessThan(40);
    expect(entry.rtt_ms).toBeGreaterThanOrEqual(0);
    expect(entry.loss_pct).toBeLessThan(5);
    await end(session);
  }, 60_000);

  const rejected: [string, (session_id: string) => string][] = [
    ["another prefix", () => "V5HELLO {}\n"],
    ["no JSON", () => "V4HELLO nothing\n"],
    ["noise", () => new Random(9).bytes(700).toString("latin1").replaceAll("\n", " ") + "\n"],
    ["no id", (session_id) => `V4HELLO ${JSON.stringify({ role: "client", session_id })}\n`],
    [
      "an unknown role",
      (session_id) => `V4HELLO ${JSON.stringify({ role: "viewer", session_id, id: "x" })}\n`,
    ],
  ];
  for (const [name, make] of rejected) {
    test(`a hello is turned away: ${name}`, async () => {
      const grant = await meeting.session("srt");
      const { session_id } = grant;
      const stranger = await thread.connect({ port: grant.srt_port! });
      stranger.send(make(session_id));
      expect((await stranger.closed()).bytes).toBe(0);
      await gateway.logged("hello_error", { session_id });
      const session = await joinSrt({ gateway, thread, grant });
      session.client.send("unharmed");
      expect((await session.server.message()).toString()).toBe("unharmed");
      await end(session);
    });
  }

  test("silence is turned away after two seconds", async () => {
    const grant = await meeting.session("srt");
    const started = performance.now();
    const silent = await thread.connect({ port: grant.srt_port! });
    await silent.closed();
    expect(performance.now() - started).toBeGreaterThan(1_700);
    expect(performance.now() - started).toBeLessThan(5_000);
    await gateway.logged("hello_error", { session_id: grant.session_id });
    await end(await joinSrt({ gateway, thread, grant }));
  });

  test("the session must be the port's own", async () => {
    const [mine, other] = [await meeting.session("srt"), await meeting.session("srt")];
    const stranger = await thread.join({
      port: mine.srt_port!,
      hello: { role: "client", session_id: other.session_id, id: "lost" },
    });
    expect((await stranger.closed()).bytes).toBe(0);
    await gateway.logged("alloc_mismatch", { port: mine.srt_port });
    await end(await joinSrt({ gateway, thread, grant: mine }));
    await end(await joinSrt({ gateway, thread, grant: other }));
  });

  test("whoever comes to an occupied port is turned away, and the session goes on", async () => {
    const grant = await meeting.session("srt");
    const session = await joinSrt({ gateway, thread, grant });
    const late = await joinSrtAs(thread, grant, "client");
    expect((await late.closed()).bytes).toBe(0);
    await gateway.logged("port_occupied", { session_id: grant.session_id });
    session.client.send("undisturbed");
    expect((await session.server.message()).toString()).toBe("undisturbed");
    await end(session);
  });

  test("a hello may come in pieces", async () => {
    const grant = await meeting.session("srt");
    const line = helloLine(helloFor(grant, "server"));
    const server = await thread.connect({ port: grant.srt_port! });
    for (let at = 0; at < line.length; at += 9) server.send(line.subarray(at, at + 9));
    await gateway.logged("server_pending", { session_id: grant.session_id });
    const client = await joinSrtAs(thread, grant, "client", { behind: "whole" });
    expect((await server.message()).toString()).toBe("whole");
    await client.close();
    await server.closed();
    await stopped(grant);
  });

  test("another implementation is offered live mode with TLPKTDROP", async () => {
    const grant = await meeting.session("srt");
    const offer = await askOffer(grant.srt_port!);
    expect(offer.flags & flag_tlpktdrop).not.toBe(0);
    expect(offer.flags & flag_tsbpd_send).not.toBe(0);
    expect(offer.flags & flag_tsbpd_receive).not.toBe(0);
    expect(offer.flags & flag_stream).toBe(0);
    expect(offer.receive_delay_ms).toBeGreaterThanOrEqual(120);
    await end(await joinSrt({ gateway, thread, grant }));
  });

  describe.skipIf(!has_live_transmit)("with srt-live-transmit as the front end", () => {
    /** The control port's number is free on UDP, as the SRT ports are on TCP. */
    const transmit = (grant: Grant) =>
      new LiveTransmit({ udp_port: gateway.control_port, srt_port: grant.srt_port! });

    test("a stream arrives whole, the hello in its first message", async () => {
      const grant = await meeting.session("srt");
      const server = await joinSrtAs(thread, grant, "server", { latency_ms: 400, quiet: true });
      await gateway.logged("server_pending", { session_id: grant.session_id });
      const front = transmit(grant);
      const hash = createHash("sha256");
      let bytes = 0;
      try {
        await front.connected();
        const random = new Random(77);
        for (let turn = 0; turn < 300; turn++) {
          const payload = random.bytes(turn === 0 ? 1_000 : 1_316);
          hash.update(payload);
          bytes += payload.length;
          const hello = turn === 0 ? [helloLine(helloFor(grant, "client"))] : [];
          await front.send(Buffer.concat([...hello, payload]));
          // Few enough at a time for the UDP buffer between us and the sender.
          if (turn % 50 === 49) await server.reached(bytes);
        }
        expect(await server.reached(bytes)).toEqual({
          bytes,
          messages: 300,
          smallest: 1_000,
          largest: 1_316,
          sha256: hash.digest("hex"),
        });
      } finally {
        await front.end("SIGTERM");
      }
      await server.closed();
      await stopped(grant);
    });

    test("its sudden death is noticed and frees the port", async () => {
      const grant = await meeting.session("srt");
      const server = await joinSrtAs(thread, grant, "server");
      await gateway.logged("server_pending", { session_id: grant.session_id });
      const front = transmit(grant);
      try {
        await front.connected();
        await front.send(helloLine(helloFor(grant, "client")));
        await front.send(Buffer.from("last words"));
        expect((await server.message()).toString()).toBe("last words");
      } finally {
        await front.end("SIGKILL");
      }
      // Nothing tells the gateway but the silence: the peer idle timeout is 8 s.
      const died = performance.now();
      await server.closed(20_000);
      expect(performance.now() - died).toBeGreaterThan(5_000);
      await stopped(grant);
    });
  });
});

describe("an SRT port", () => {
  test("serves 50 sessions in a row, at once each time, and leaves nothing behind", async () => {
    // Every message takes the latency of each leg; a small one keeps fifty sessions short.
    const gateway = await GatewayProcess.start({
      srt_ports: 1,
      settings: { gosrt: { latency: 20 } },
    });
    const thread = await SrtThread.start();
    try {
      const meeting = await Meeting.of(gateway, { name: "row", max_conn: 1 });
      let threads = 0;
      let descriptors = 0;
      for (let turn = 0; turn < 50; turn++) {
        const grant = await meeting.session("srt");
        const session = await joinSrt({
          gateway,
          thread,
          grant,
          first: turn % 2 === 0 ? "client" : "server",
          latency_ms: 20,
        });
        session.client.send(`turn ${turn}`);
        expect((await session.server.message()).toString()).toBe(`turn ${turn}`);
        session.server.send(`and back ${turn}`);
        expect((await session.client.message()).toString()).toBe(`and back ${turn}`);
        const [quits, stays] = turn % 3 === 0
          ? [session.server, session.client]
          : [session.client, session.server];
        await quits.close();
        await stays.closed();
        await gateway.logged("session_stop", { session_id: grant.session_id });
        if (turn === 9) {
          threads = threadCount(gateway.pid);
          descriptors = gateway.open_descriptors;
        }
      }
      await gateway.allPortsIdle();
      expect(threadCount(gateway.pid)).toBeLessThanOrEqual(threads + 4);
      expect(gateway.open_descriptors).toBeLessThanOrEqual(descriptors + 2);
      await meeting.close();
    } finally {
      await thread.close();
      await gateway.stop();
    }
  }, 90_000);

  test(
    "expires like a TCP one, and its latency and idle timeout are the configured ones",
    async () => {
      const gateway = await GatewayProcess.start({
        settings: {
          gateway: { auth_timeout: "700ms", session_idle_timeout: "1s" },
          gosrt: { latency: 250 },
        },
      });
      const thread = await SrtThread.start();
      try {
        const meeting = await Meeting.of(gateway, { name: "expiry" });
        const unused = await meeting.session("srt");
        const grant = await meeting.session("srt");
        expect((await askOffer(grant.srt_port!)).receive_delay_ms).toBe(250);
        const session = await joinSrt({ gateway, thread, grant });
        await gateway.logged("reservation_expired", { session_id: unused.session_id });
        await gateway.logged("heartbeat_timeout", { session_id: grant.session_id });
        await Promise.all([session.client.closed(), session.server.closed()]);
        await gateway.allPortsIdle();
        const late = thread.dial({ port: unused.srt_port! });
        late.send(helloLine(helloFor(unused, "client")));
        expect(await late.turnedAway()).toBe(0);
        await meeting.close();
      } finally {
        await thread.close();
        await gateway.stop();
      }
    },
    30_000,
  );

  test("a session over both planes frees both ports", async () => {
    const gateway = await GatewayProcess.start();
    const thread = await SrtThread.start();
    try {
      const meeting = await Meeting.of(gateway, { name: "both" });
      const grant = await meeting.session("both");
      const tcp = await joinTcp(gateway, { ...grant, srt_port: undefined });
      const srt = await joinSrtAs(thread, grant, "server");
      const front = await joinSrtAs(thread, grant, "client", { behind: "over SRT" });
      expect((await srt.message()).toString()).toBe("over SRT");
      await tcp.client.write("over TCP");
      expect((await tcp.server.head(8)).toString()).toBe("over TCP");
      tcp.client.halfClose();
      tcp.server.halfClose();
      await gateway.statusUntil(
        "the TCP port idle",
        ({ port_state }) => port_state.zmq.idle === port_state.zmq.total,
      );
      // One plane is over, the other goes on.
      front.send("still here");
      expect((await srt.message()).toString()).toBe("still here");
      await front.close();
      await srt.closed();
      await gateway.allPortsIdle();
      await meeting.close();
    } finally {
      await thread.close();
      await gateway.stop();
    }
  }, 30_000);
});
