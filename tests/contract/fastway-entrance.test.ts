/** How connections become endpoints of the fastway plane, and how they are turned away. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { mkdtempSync, rmSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { tmpdir } from "node:os";
import { within } from "../harness/deadline.ts";
import { FastwayPeer as Frames } from "../harness/fastway-peer.ts";
import { proxyLine } from "../harness/proxy-header.ts";
import {
  command,
  dial,
  type FastwayRig,
  frame,
  KEY,
  ping,
  startFastway,
  u32,
} from "./fastway-rig.ts";

const FROM = { host: "203.0.113.9", port: 4321 };
const token = (text: string) => frame(0, Buffer.concat([Buffer.of(128), Buffer.from(text)]));
const TOKENS = { client_auth: "token" } as const;

async function withRig(
  settings: Parameters<typeof startFastway>,
  use: (rig: FastwayRig) => Promise<void>,
): Promise<void> {
  const rig = await startFastway(...settings);
  try {
    await use(rig);
  } finally {
    await rig.close();
  }
}

test("a client that is admitted takes part with all that it sent behind its token", async () => {
  await withRig([TOKENS], async (rig) => {
    const server = await rig.server(7);
    const client = await rig.connect("client");
    await client.send(token("who I am"), dial(7), frame(1, "hello"));
    const { facts, token: told } = await rig.event("token");
    expect(told).toBe("who I am");
    expect(facts).toMatchObject({ side: "client", id: 1, remote: client.remote });
    // It is nobody to dial as yet.
    await server.send(dial(facts.id));
    expect(await server.hears()).toBe("refuse 1");
    rig.plane.admit(facts.endpoint);
    expect((await rig.event("endpoint", ({ facts }) => facts.side === "client")).facts)
      .toEqual(facts);
    expect(await client.hears()).toBe("accept 1 7");
    expect(await server.hears()).toBe("connect 1 1");
    expect(await server.hears()).toBe("data 1 hello");
    // Once is enough.
    rig.plane.admit(facts.endpoint);
    await client.send(token("again"));
    const over = await rig.event("endpoint_over");
    expect(over).toMatchObject({ endpoint: facts.endpoint, reason: "protocol_error" });
  });
});

test("a client that is not admitted is ended with the word of the control side", async () => {
  await withRig([TOKENS], async (rig) => {
    const client = await rig.connect("client");
    await client.send(token("wrong"));
    const { facts } = await rig.event("token");
    rig.plane.end(facts.endpoint, "token_wrong");
    expect(await rig.event("endpoint_over")).toMatchObject({
      endpoint: facts.endpoint,
      reason: "ended",
      detail: "token_wrong",
    });
    await client.end.turnedAway();
    expect(rig.plane.counters(facts.endpoint)).toBeNull();
  });
});

for (
  const [name, bytes] of [
    ["another command", ping()],
    ["a message", frame(1, "hello")],
    ["an empty token", command(128)],
    ["a token that is too long", token("x".repeat(4097))],
    ["a token that is no text", frame(0, Buffer.of(128, 0xff))],
  ] as const
) {
  test(`where a token is asked for, ${name} is none`, async () => {
    await withRig([TOKENS], async (rig) => {
      const client = await rig.connect("client");
      await client.send(bytes);
      const { status, detail, remote } = await rig.event("refused");
      expect([status, remote]).toEqual(["token_missing", client.remote]);
      expect(detail).toContain("fastway.client_auth asks for a Token frame");
      await client.end.turnedAway();
    });
  });
}

test("the longest token, in pieces", async () => {
  await withRig([TOKENS], async (rig) => {
    const client = await rig.connect("client");
    const bytes = token("ü".repeat(2048));
    for (const at of [0, 3, 8, 9, 100, 4000]) {
      await client.send(bytes.subarray(
        at,
        [3, 8, 9, 100, 4000, bytes.length][
          [0, 3, 8, 9, 100, 4000].indexOf(at)
        ],
      ));
      await rig.plane.beat(5000);
    }
    expect((await rig.event("token")).token).toBe("ü".repeat(2048));
  });
});

test("a trusted proxy says where its client is; what others say so is no frame", async () => {
  const proxied = { proxy_protocol: { trusted: ["127.0.0.1"] } };
  await withRig([{}, proxied], async (rig) => {
    const client = await rig.connect("client");
    // Byte by byte, so that the header is never there at once.
    for (const byte of proxyLine(FROM)) await client.send(Buffer.of(byte));
    const { facts } = await rig.event("endpoint");
    expect(facts).toMatchObject({
      remote: "203.0.113.9:4321",
      address: "203.0.113.9",
      transport: "tcp",
    });
    const server = await rig.connect("server");
    await server.send(proxyLine({ host: "2001:db8::7", port: 5 }));
    await server.prove(7, KEY);
    const { facts: of } = await rig.event("endpoint");
    expect(of).toMatchObject({ side: "server", remote: "[2001:db8::7]:5" });
    const bare = await rig.connect("client");
    await bare.send(dial(7));
    const { status, detail } = await rig.event("refused");
    expect(status).toBe("proxy_error");
    expect(detail).toContain("no PROXY header");
    rig.plane.setBans(["203.0.113.0/24"]);
    const banned = await rig.connect("client");
    await banned.send(proxyLine(FROM));
    expect(await rig.event("shed")).toMatchObject({
      limit: "banned",
      remote: "203.0.113.9:4321",
    });
  });
  await withRig([{}], async (rig) => {
    const client = await rig.client();
    await client.send(proxyLine(FROM));
    const over = await rig.event("endpoint_over");
    expect(over).toMatchObject({ reason: "protocol_error" });
  });
});

test("a door's connections say where they come from, and are TLS's", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fastway-door-"));
  const path = join(folder, "clients");
  try {
    await withRig([{ clients_per_address_max: 2 }], async (rig) => {
      const server = await rig.server(7);
      await rig.plane.openDoor("client", path);
      const answers: Promise<Buffer>[] = [];
      const sockets = [1, 2, 3].map((port) => {
        const socket = net.connect(path);
        answers.push(new Promise((resolve) => socket.once("data", resolve)));
        socket.on("error", () => {});
        socket.write(Buffer.concat([proxyLine({ ...FROM, port }), dial(7)]));
        return socket;
      });
      const found = [await rig.event("endpoint"), await rig.event("endpoint")];
      expect(found.map(({ facts }) => facts.transport)).toEqual(["tls", "tls"]);
      expect(found.map(({ facts }) => facts.address)).toEqual([FROM.host, FROM.host]);
      expect((await within("a dial", Promise.race(answers))).subarray(8, 9)).toEqual(Buffer.of(1));
      expect(await server.hears()).toStartWith("connect 1 ");
      // The bound per address is that of the client, not of the door.
      expect(await rig.event("shed")).toMatchObject({ limit: "clients_per_address_max" });
      const silent = net.connect(path);
      silent.write(dial(7));
      expect(await rig.event("refused")).toMatchObject({ status: "proxy_error", side: "client" });
      for (const socket of [...sockets, silent]) socket.destroy();
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a burst to somebody behind a door waits until the door takes it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fastway-door-"));
  const path = join(folder, "clients");
  try {
    await withRig([{}], async (rig) => {
      const server = await rig.server(7);
      await rig.plane.openDoor("client", path);
      const socket = net.connect(path);
      const client = new Frames(socket, { name: "client behind a door" });
      await client.send(proxyLine(FROM));
      const id = await client.dial(7);
      expect(await server.hears()).toBe(`connect ${id} 1`);
      // As a door that has not had a turn yet. By far more messages than the client's queue may have.
      socket.pause();
      const messages = 8000;
      const body = "x".repeat(64);
      await server.send(...Array.from({ length: messages }, () => frame(id, body)), ping());
      expect(await server.hears()).toBe("ping");
      socket.resume();
      await client.reached(1 + messages);
      socket.destroy();
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

test("a path that no door can have is refused", async () => {
  await withRig([{}], async (rig) => {
    const refused = rig.plane.openDoor("client", "/nowhere/at/all");
    expect(await refused.catch((error) => error)).toMatchObject({ side: "client", code: "ENOENT" });
    const long = rig.plane.openDoor("server", `/tmp/${"x".repeat(200)}`);
    expect(await long.catch((error) => error)).toMatchObject({ side: "server", code: "EINVAL" });
    await rig.client();
  });
});

test("a banned address is turned away, and so is who has not proven itself yet", async () => {
  await withRig([{}], async (rig) => {
    const unproven = await rig.connect("server");
    await unproven.take(8);
    const client = await rig.client();
    rig.plane.setBans(["127.0.0.1"]);
    expect(await rig.event("shed")).toMatchObject({ side: "server", limit: "banned" });
    await unproven.end.turnedAway();
    const banned = await rig.connect("client");
    await banned.end.turnedAway();
    expect(await rig.event("shed")).toMatchObject({ side: "client", limit: "banned" });
    // Whoever takes part is the control side's to end.
    await client.send(ping());
    expect(await client.hears()).toBe("ping");
    rig.plane.setBans([]);
    await rig.client();
  });
});

test("who proves nothing is held to the bounds of such connections", async () => {
  const limits = { unproven_max: 2, unproven_per_address_max: 2 };
  await withRig([{}, { limits }], async (rig) => {
    const first = await rig.connect("server");
    await first.take(8);
    const second = await rig.connect("server");
    await second.take(8);
    const third = await rig.connect("server");
    await third.end.turnedAway();
    expect(await rig.event("shed")).toMatchObject({ limit: "unproven_max", count: 1 });
    // Who has proven itself is none of them any more.
    await first.end.write(Buffer.alloc(0));
    first.end.destroy();
    await rig.event("refused", ({ status }) => status === "handshake_error");
    await rig.server(7);
    await rig.server(8);
  });
});

test("who drains turns away whoever comes, and lets go on whoever is there", async () => {
  await withRig([{}], async (rig) => {
    const server = await rig.server(7);
    const client = await rig.client();
    const id = await client.dial(server);
    const unproven = await rig.connect("server");
    const challenge = await unproven.take(8);
    rig.plane.setServing(false);
    await rig.plane.beat(5000);
    const late = await rig.connect("client");
    await late.end.turnedAway();
    expect(await rig.event("refused")).toMatchObject({ side: "client", status: "draining" });
    await unproven.end.write(await proofOf(challenge, 9));
    expect(await rig.event("refused")).toMatchObject({ side: "server", status: "draining" });
    await client.send(frame(id, "on"), dial(7));
    expect(await server.hears()).toBe(`data ${id} on`);
    expect(await client.hears()).toBe("refuse 7");
    rig.plane.setServing(true);
    await rig.client();
  });
});

async function proofOf(challenge: Buffer, id: number): Promise<Buffer> {
  const { createHash } = await import("node:crypto");
  const proof = createHash("md5").update(challenge).update(KEY).digest();
  return Buffer.concat([proof, u32(id)]);
}
