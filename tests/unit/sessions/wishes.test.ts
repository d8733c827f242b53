/** What a request may ask of its SRT port, and what becomes of it. */
import { expect, test } from "bun:test";
import { Fixture, SRT_FIRST } from "./fixture.ts";

const SRT_PORTS = 40;
const asked = { need_zmq: false, need_srt: true };

function setUp(srt: ConstructorParameters<typeof Fixture>[0] = {}) {
  const f = new Fixture({ srt_ports: SRT_PORTS, ...srt });
  const server = f.server("s", 99);
  return { f, server, client: f.client("c") };
}

test("a wish for encryption gives both ends one passphrase, and each session its own", async () => {
  const { f, server, client } = setUp();
  const passphrases: (string | undefined)[] = [];
  for (const request_id of ["a", "b"]) {
    f.ask(client, request_id, { ...asked, srt: { encrypt: true } });
    const grant = await client.grant(request_id);
    expect(await server.grant(request_id)).toEqual(grant);
    passphrases.push(grant.srt_passphrase);
  }
  expect(new Set(passphrases).size).toBe(2);
  for (const passphrase of passphrases) expect(passphrase).toMatch(/^[0-9a-f]{32}$/);
  f.ask(client, "plain", asked);
  expect(await client.grant("plain")).not.toHaveProperty("srt_passphrase");
  f.close();
});

test("sessions with wishes have the highest ports, where no other's listener rests", async () => {
  const { f, client } = setUp();
  const ports: (number | undefined)[] = [];
  const wishes = [{}, { transtype: "file" }, { latency_ms: 300 }, {}] as const;
  for (const [i, srt] of wishes.entries()) {
    f.ask(client, `r${i}`, { ...asked, srt });
    ports.push((await client.grant(`r${i}`)).srt_port);
  }
  const last = SRT_FIRST + SRT_PORTS - 1;
  expect(ports).toEqual([SRT_FIRST, last, last - 1, SRT_FIRST + 1]);
  f.close();
});

const refused: [string, object, "per_session" | "shared", string][] = [
  ["a latency below the bound", { latency_ms: 19 }, "per_session", "20 to 8000 ms"],
  ["a latency above it", { latency_ms: 8001 }, "per_session", "20 to 8000 ms"],
  ["a latency for a file", { transtype: "file", latency_ms: 100 }, "per_session", "files"],
  ["a latency on a shared port", { encrypt: true, latency_ms: 300 }, "shared", "only encrypt"],
  ["a file on a shared port", { transtype: "file" }, "shared", "only encrypt"],
];
test.each(refused)("%s is refused", async (_name, srt, mode, sentence) => {
  const { f, client } = setUp({ srt: { mode } });
  f.ask(client, "r", { ...asked, srt });
  const refusal = await client.refusal("r");
  expect(refusal.code).toBe(502);
  expect(refusal.error).toContain(sentence);
  f.close();
});

test("encryption can be had on a shared port, where libsrt can set it for one session", async () => {
  const can = setUp({ srt: { mode: "shared" } });
  can.f.ask(can.client, "r", { ...asked, srt: { encrypt: true } });
  expect((await can.client.grant("r")).srt_passphrase).toMatch(/^[0-9a-f]{32}$/);
  can.f.close();
  const cannot = setUp({ srt: { mode: "shared" }, encrypts_single_sessions: false });
  cannot.f.ask(cannot.client, "r", { ...asked, srt: { encrypt: true } });
  expect(await cannot.client.refusal("r")).toMatchObject({
    code: 502,
    error: expect.stringContaining("its libsrt knows one passphrase for all"),
  });
  cannot.f.close();
});
