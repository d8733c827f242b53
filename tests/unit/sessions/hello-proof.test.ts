/** Which sessions ask their ends for proofs, who is told which one, and that no log line has any. */
import { expect, test } from "bun:test";
import { configSchema } from "../../../src/config/schema.ts";
import { Fixture, type FixtureOptions } from "./fixture.ts";

const asked = { need_zmq: true, need_srt: true };

async function granted(options: FixtureOptions, wants: { hello_proof?: boolean } = {}) {
  const f = new Fixture(options);
  const server = f.server("s", 9), client = f.client("c");
  f.ask(client, "r", { ...asked, ...wants });
  return { f, to_client: await client.grant("r"), to_server: await server.grant("r") };
}

test("a session with proofs gives each end one of its own, and the planes both", async () => {
  const { f, to_client, to_server } = await granted({}, { hello_proof: true });
  const tokens = [to_client.hello_token, to_server.hello_token];
  for (const token of tokens) expect(token).toMatch(/^[0-9a-f]{32}$/);
  expect(tokens[0]).not.toBe(tokens[1]);
  expect({ ...to_client, hello_token: "" }).toEqual({ ...to_server, hello_token: "" });
  const proofs = { client: tokens[0], server: tokens[1] };
  for (const plane of [f.planes.zmq, f.planes.srt]) {
    expect(plane.reservations).toEqual([expect.objectContaining({ proofs })]);
  }
  f.close();
});

test("no two sessions have a proof in common", async () => {
  const f = new Fixture({ hello_proof: "required", zmq_ports: 20 });
  const server = f.server("s", 20), client = f.client("c");
  const tokens: (string | undefined)[] = [];
  for (let i = 0; i < 20; i++) {
    f.ask(client, `${i}`, { need_zmq: true });
    tokens.push((await client.grant(`${i}`)).hello_token);
    tokens.push((await server.grant(`${i}`)).hello_token);
  }
  expect(new Set(tokens).size).toBe(40);
  f.close();
});

test.each<[FixtureOptions["hello_proof"], boolean, boolean]>([
  ["off", false, false],
  ["optional", false, false],
  ["optional", true, true],
  ["required", false, true],
  ["required", true, true],
])("auth.hello_proof %s, asked for: %p → %p", async (hello_proof, wish, expected) => {
  const { f, to_client, to_server } = await granted({ hello_proof }, { hello_proof: wish });
  expect("hello_token" in to_client).toBe(expected);
  expect("hello_token" in to_server).toBe(expected);
  expect("proofs" in f.planes.zmq.reservations[0]).toBe(expected);
  expect(await f.log.status("pair_granted")).toMatchObject({ hello_proof: expected });
  f.close();
});

test("a wish for proofs is refused where there are none", async () => {
  const f = new Fixture({ hello_proof: "off" });
  f.server("s", 9);
  const client = f.client("c");
  f.ask(client, "r", { ...asked, hello_proof: true });
  expect(await client.refusal("r")).toEqual({
    request_id: "r",
    code: 502,
    error: "qos.hello_proof: this gateway has auth.hello_proof off",
  });
  f.close();
});

test("a request that waits while the rule changes gets what it was not refused", async () => {
  const f = new Fixture({});
  const client = f.client("c");
  f.ask(client, "r", { ...asked, hello_proof: true });
  await f.log.status("pair_waiting");
  f.sessions.apply(configSchema.parse({ auth: { hello_proof: "off" } }));
  f.server("s", 9);
  expect((await client.grant("r")).hello_token).toBeDefined();
  f.close();
});

test("neither a proof nor a passphrase is in any line of the log", async () => {
  const f = new Fixture({ hello_proof: "required" });
  const server = f.server("s", 9), client = f.client("c");
  f.ask(client, "r", { ...asked, srt: { encrypt: true } });
  const to_client = await client.grant("r"), to_server = await server.grant("r");
  const { zmq_port = 0, srt_port = 0 } = to_client;
  for (const [plane, port] of [[f.planes.zmq, zmq_port], [f.planes.srt, srt_port]] as const) {
    plane.arrive(port, "server");
    plane.reject(port);
    plane.pair(port);
    plane.end(port, "finished");
  }
  const lines = JSON.stringify(f.log.lines.items);
  expect(lines).toContain('"pair_granted"');
  expect(lines).toContain('"srt_encrypted":true');
  const secrets = [to_client.hello_token, to_server.hello_token, to_client.srt_passphrase];
  for (const secret of secrets) {
    expect(secret).toBeDefined();
    expect(lines).not.toContain(secret!);
  }
  f.close();
});
