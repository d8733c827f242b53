/** Clients behind a trusted proxy, which says by a PROXY header where they are, on the TCP plane. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import {
  binaryHeader,
  extension,
  ipv4Header,
  ipv6Header,
  proxyLine,
  withChecksum,
} from "../harness/proxy-header.ts";
import { announcedRandom } from "../harness/random.ts";
import { almostHeader } from "../fuzz/proxy-headers.ts";
import { helloLine, type TcpEnd } from "../harness/tcp-end.ts";
import { type Rig, type RigSettings, startTcp } from "./rig.ts";

const hello_timeout_ms = 400;
const unproven_per_address_max = 2;
const there = { host: "192.0.2.7", port: 56_324 };
const remote = "192.0.2.7:56324";

function rigFor(proxy_protocol: NonNullable<RigSettings["proxy_protocol"]>) {
  return startTcp({ hello_timeout_ms, unproven_per_address_max, proxy_protocol });
}

function helloOf({ session_id }: { session_id: string }, role: "client" | "server" = "client") {
  return helloLine({ role, session_id, id: role });
}

/** Has the worker turn twice, so that what was sent before is accepted and looked at. */
async function settled(rig: Rig<TcpEnd>): Promise<void> {
  for (let i = 0; i < 2; i++) await rig.open();
}

describe("a trusted proxy that must send a header", () => {
  let rig: Rig<TcpEnd>;
  beforeAll(async () => {
    rig = await rigFor({ trusted: ["127.0.0.0/8"] });
  });
  afterEach(async () => {
    rig.plane.setBans([]);
    await rig.reset();
  });
  afterAll(() => rig.close());

  /** Sends the header and what is behind it in one go. */
  async function come(port: number, ...pieces: Uint8Array[]): Promise<TcpEnd> {
    const end = await rig.connect(port);
    await end.write(Buffer.concat(pieces));
    return end;
  }

  const headers: [name: string, header: Buffer, remote: string][] = [
    ["version 1", proxyLine(there), remote],
    ["version 1 over IPv6", proxyLine({ host: "2001:db8::7", port: 7 }), "[2001:db8::7]:7"],
    ["version 2", ipv4Header(there), remote],
    [
      "version 2 over IPv6",
      ipv6Header({ digits: "20010db8000000000000000000000007", port: 7 }),
      "[2001:db8::7]:7",
    ],
    [
      "version 2 with a checksum and more",
      withChecksum((sum) => ipv4Header(there, [extension(2, Buffer.from("a.example")), sum])),
      remote,
    ],
    ["the longest of version 2", ipv4Header(there, [extension(4, Buffer.alloc(2017))]), remote],
  ];
  for (const [name, header, expected] of headers) {
    test(`${name}: the client is known by its own address, and no byte of it is lost`, async () => {
      const reservation = await rig.open();
      const { port } = reservation;
      const client = await come(port, header, helloOf(reservation), Buffer.from("early "));
      expect(await rig.event("waiting", port)).toMatchObject({ remote: expected });
      const server = await come(port, header, helloOf(reservation, "server"), Buffer.from("down"));
      expect(await rig.event("paired", port)).toMatchObject({ remote: expected });
      await client.write("and late");
      await Promise.all([server.reached(14), client.reached(4)]);
      expect([server.text(), client.text()]).toEqual(["early and late", "down"]);
    });
  }

  const own: [name: string, header: Buffer][] = [
    [
      "a connection of the proxy's own",
      binaryHeader({
        command: 0x20,
        protocol: 0,
        content: Buffer.alloc(0),
      }),
    ],
    ["a client it does not know", Buffer.from("PROXY UNKNOWN\r\n")],
  ];
  for (const [name, header] of own) {
    test(`${name} has the proxy's address`, async () => {
      const reservation = await rig.open();
      await come(reservation.port, header, helloOf(reservation));
      expect(await rig.event("waiting", reservation.port)).toMatchObject({
        remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      });
    });
  }

  test("header and hello may be split anywhere", async () => {
    for (const header of [proxyLine(there), ipv4Header(there)]) {
      const length = header.length + 12;
      for (let at = 1; at < length; at++) {
        const reservation = await rig.open();
        const { port } = reservation;
        const bytes = Buffer.concat([header, helloOf(reservation)]);
        const end = await rig.connect(port);
        await end.write(bytes.subarray(0, at));
        await rig.open(rig.last_port);
        await end.write(bytes.subarray(at));
        expect(await rig.event("waiting", port), `split at ${at}`).toMatchObject({ remote });
        end.destroy();
        for (const one of [port, rig.last_port]) {
          rig.plane.release(one);
          await rig.closed(one);
        }
      }
    }
  });

  const wrong: [name: string, bytes: (hello: Buffer) => Uint8Array, detail: string][] = [
    ["no header", (hello) => hello, "no PROXY header"],
    ["HTTP", () => Buffer.from("GET / HTTP/1.1\r\n\r\n"), "no PROXY header"],
    ["a wrong line", () => Buffer.from("PROXY TCP4 here there 1 2\r\n"), "two addresses"],
    ["a line without end", () => Buffer.alloc(4096, "PROXY UNKNOWN "), "more than 107 bytes"],
    [
      "a header that is too long",
      (hello) => Buffer.concat([ipv4Header(there, [extension(4, Buffer.alloc(2018))]), hello]),
      "2048 are allowed",
    ],
    ["half a header", () => ipv4Header(there).subarray(0, 20), "no complete PROXY header"],
    ["nothing", () => Buffer.alloc(0), "no complete PROXY header within 400 ms"],
  ];
  for (const [name, bytes, detail] of wrong) {
    test(`${name} is turned away`, async () => {
      const reservation = await rig.open();
      const end = await come(reservation.port, bytes(helloOf(reservation)));
      const rejected = await rig.event("rejected", reservation.port);
      expect(rejected.status).toBe("proxy_error");
      expect(rejected.detail).toContain(detail);
      expect(rejected.remote).toMatch(/^127\.0\.0\.1:\d+$/);
      await end.turnedAway();
    });
  }

  test("whatever comes where a header should, the worker lives and leaves nothing behind", async () => {
    const random = announcedRandom("proxied strangers");
    const reservation = await rig.open();
    const { port } = reservation;
    const strangers = 300;
    for (let i = 0; i < strangers; i++) {
      const end = await rig.connect(port);
      // Never a hello that is one, so nobody takes a seat.
      end.writeCarelessly(Buffer.concat([almostHeader(random), random.bytes(random.int(0, 9))]));
      // Some are gone before they are looked at.
      random.pick([
        () => end.destroy(),
        () => end.abort(),
        () => end.halfClose(),
        () => end.halfClose(),
      ])();
    }
    let heard = 0;
    while (heard < strangers) {
      const event = await rig.events.take(
        `stranger ${heard} of ${strangers}`,
        ({ type }) => type === "rejected" || type === "shed",
      );
      heard += event.type === "shed" ? event.count : 1;
    }
    const client = await come(port, proxyLine(there), helloOf(reservation));
    await rig.event("waiting", port);
    client.destroy();
    expect(rig.left("failed", port)).toEqual([]);
  });

  test("one that ends within its header is turned away", async () => {
    const { port } = await rig.open();
    const end = await come(port, ipv4Header(there).subarray(0, 20));
    end.halfClose();
    expect(await rig.event("rejected", port)).toMatchObject({
      status: "proxy_error",
      detail: "the connection ended before its PROXY header",
    });
    await end.turnedAway();
  });

  test("a wrong hello behind a right header names the client", async () => {
    const { port } = await rig.open();
    await come(port, proxyLine(there), Buffer.from("GET / HTTP/1.1\r\n"));
    expect(await rig.event("rejected", port)).toMatchObject({ status: "hello_error", remote });
  });

  test("the bound per address counts the clients, and not the proxy", async () => {
    const { port } = await rig.open();
    for (let i = 0; i < unproven_per_address_max; i++) {
      await come(port, proxyLine(there));
      await come(port, proxyLine({ host: "198.51.100.9", port: i }));
      await settled(rig);
    }
    const refused = await come(port, proxyLine({ ...there, port: 1 }));
    expect(await rig.event("shed", port)).toMatchObject({
      limit: "unproven_per_address_max",
      remote: "192.0.2.7:1",
    });
    await refused.turnedAway();
  });

  test("a ban holds for the client, and not for the proxy", async () => {
    const reservation = await rig.open();
    const { port } = reservation;
    const silent = await come(port, proxyLine(there));
    await settled(rig);
    rig.plane.setBans(["192.0.2.0/24", "127.0.0.0/8"]);
    expect(await rig.event("shed", port)).toMatchObject({ limit: "banned", remote });
    await silent.turnedAway();
    const refused = await come(port, ipv4Header(there), helloOf(reservation));
    await refused.turnedAway();
    await come(port, proxyLine({ host: "198.51.100.9", port: 9 }), helloOf(reservation));
    expect(await rig.event("waiting", port)).toMatchObject({ remote: "198.51.100.9:9" });
    expect(await rig.event("shed", port)).toMatchObject({ limit: "banned", remote });
  });
});

test("where a header is optional, one that comes without is taken for itself", async () => {
  const rig = await rigFor({ trusted: ["127.0.0.1"], mode: "optional" });
  try {
    const reservation = await rig.open();
    const { port } = reservation;
    await rig.join(reservation, "client");
    expect(await rig.event("waiting", port)).toMatchObject({
      remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    });
    const server = await rig.connect(port);
    await server.write(Buffer.concat([proxyLine(there), helloOf(reservation, "server")]));
    expect(await rig.event("paired", port)).toMatchObject({ remote });
    rig.plane.setBans(["127.0.0.1"]);
    const other = await rig.open();
    const end = await rig.join(other, "client");
    expect(await rig.event("shed", other.port)).toMatchObject({ limit: "banned" });
    await end.turnedAway();
  } finally {
    await rig.close();
  }
});

test("from anybody else a header is a wrong hello", async () => {
  const rig = await rigFor({ trusted: ["192.0.2.0/24", "::1"] });
  try {
    for (const header of [proxyLine(there), ipv4Header(there)]) {
      const reservation = await rig.open();
      const end = await rig.connect(reservation.port);
      await end.write(Buffer.concat([header, helloOf(reservation)]));
      expect(await rig.event("rejected", reservation.port)).toMatchObject({
        status: "hello_error",
        remote: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      });
      await end.turnedAway();
    }
  } finally {
    await rig.close();
  }
});
