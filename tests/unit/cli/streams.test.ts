import { afterEach, expect, test } from "bun:test";
import http from "node:http";
import net from "node:net";
import type { StreamListing } from "../../../src/data/plane.ts";
import { relayx } from "./command.ts";

const servers: net.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

async function listening(server: net.Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Something that answers every request with this. */
function answering(status: number, body: string): Promise<string> {
  return listening(http.createServer((_, response) => {
    response.writeHead(status, { connection: "close" }).end(body);
  }));
}

const leg = {
  mbps: 5.25,
  rtt_ms: 20,
  loss_pct: 0.25,
  retrans_pct: 0,
  dropped: 0,
  buffered_ms: 100,
  bandwidth_mbps: 100,
};
const since_unix_ms = Date.now() - 3_725_400;
const busy: StreamListing = {
  name: "live/cam",
  publisher: { remote: "203.0.113.7:40112", user: "anna", since_unix_ms, leg },
  viewers: [
    {
      remote: "[2001:db8::1]:5001",
      user: "",
      since_unix_ms: Date.now() + 60_000,
      skipped: 12,
      leg: { ...leg, mbps: 5, loss_pct: 3 },
      bottleneck: "network_out",
    },
  ],
  viewers_max: 100,
  bytes_in: 12_900_000,
  bytes_out: 900,
  dropped: { left: 3, slow: 1 },
};
const empty: StreamListing = {
  name: "b",
  publisher: null,
  viewers: [],
  viewers_max: 5,
  bytes_in: 0,
  bytes_out: 0,
  dropped: {},
};

test("the table has a line for each stream and each viewer", async () => {
  const addr = await answering(200, JSON.stringify([busy, empty]));
  const { code, stdout, stderr } = await relayx(["streams", "--addr", addr]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout.split("\n").map((line) => line.replace(/ {2,}/g, " | "))).toEqual([
    "STREAM | PUBLISHER | USER | SINCE | MBIT/S | LOSS | VIEWERS | IN | OUT",
    expect.stringMatching(
      /^live\/cam \| 203\.0\.113\.7:40112 \| anna \| 1h2m\d+s \| 5\.25 \| 0\.3% \| 1\/100 \| 12\.3 MB \| 900 B$/,
    ),
    " | viewer | [2001:db8::1]:5001 | - | now | 5.00 | 3.0% | " +
    "12 skipped; the network between relayx and the reader loses packets",
    " | gone since the start: 3 left, 1 slow",
    "b | nobody | - | - | - | - | 0/5 | 0 B | 0 B",
    "",
  ]);
});

test("without any streams it says so", async () => {
  const { code, stdout } = await relayx(["streams", "--addr", await answering(200, "[]")]);
  expect(code).toBe(0);
  expect(stdout).toStartWith("no streams are configured");
});

test("--json is the gateway's answer", async () => {
  const addr = await answering(200, JSON.stringify([busy, empty]));
  const { code, stdout } = await relayx(["streams", "--addr", addr, "--json"]);
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toEqual([busy, empty]);
});

test("what others have chosen cannot reach the terminal as anything but text", async () => {
  const user = "\u001b[2J\u009b1m\u202e\n\u2028x\u{e0001}";
  const viewer = { ...busy.viewers[0], user, remote: `${user}:1` };
  const hostile = {
    ...busy,
    name: `n${user}`,
    publisher: { ...busy.publisher, user: `${user}${"long".repeat(100)}` },
    viewers: [viewer],
    dropped: { [user]: 1 },
  };
  const addr = await answering(200, JSON.stringify([hostile]));
  for (const more of [[], ["--json"]]) {
    const { code, stdout } = await relayx(["streams", "--addr", addr, ...more]);
    expect(code).toBe(0);
    expect(stdout.replaceAll("\n", "")).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
    if (more.length > 0) expect(JSON.parse(stdout)).toEqual([hostile]);
    else expect(stdout.split("\n").map((line) => line.length < 400)).not.toContain(false);
  }
});

test.each([
  [403, "", "names its streams to its own machine only"],
  [404, "", "has no page /streams"],
  [500, "", "answers with HTTP status 500"],
  [200, "<html>", "its answer is no JSON"],
  [200, "{}", "no relayx of this version: the whole:"],
  [200, '[{"name":1}]', "no relayx of this version: 0.name:"],
])("an answer of %d %j is no listing", async (status, body, message) => {
  const addr = await answering(status, body);
  const { code, stdout, stderr } = await relayx(["streams", "--addr", addr]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  expect(stderr).toStartWith("relayx streams: ");
  expect(stderr).toContain(addr);
  expect(stderr).toContain(message);
});

test("nobody there, or somebody who does not speak HTTP", async () => {
  const closing = net.createServer((socket) => socket.destroy());
  const addr = await listening(closing);
  const said = await relayx(["streams", "--addr", addr]);
  expect(said.code).toBe(1);
  expect(said.stderr).toContain(`no answer from ${addr}`);
  const gone = servers.splice(0)[0];
  await new Promise((resolve) => gone.close(resolve));
  const refused = await relayx(["streams", "-addr", addr]);
  expect(refused.code).toBe(1);
  expect(refused.stderr).toContain(`no answer from ${addr}`);
});

test("a wrong flag ends with 2", async () => {
  for (const addr of ["nowhere", "127.0.0.1:0"]) {
    const { code, stderr } = await relayx(["streams", "--addr", addr]);
    expect(code).toBe(2);
    expect(stderr).toContain(`--addr: found "${addr}"`);
  }
  expect((await relayx(["streams", "extra"])).code).toBe(2);
});
