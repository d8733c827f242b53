import { afterAll, describe, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { constants, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSignatureKeys } from "../../../../src/config/rlx1-keys.ts";
import type { Config } from "../../../../src/config/schema.ts";
import { Signatures } from "../../../../src/planes/rlx1/signatures.ts";
import type { V1Client, V1Message } from "../../../harness/v1-client.ts";
import { configOf, endGatewaysAfterEach, linesOf, SECRET, startGateway } from "./fixture.ts";
import { expectValid } from "./schema.ts";

endGatewaysAfterEach();

const folder = mkdtempSync(join(tmpdir(), "relayx-signatures-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface Pair {
  privateKey: KeyObject;
  publicKey: KeyObject;
}
const rsa: Pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const [ec, ours, stranger]: Pair[] = [1, 2, 3]
  .map(() => generateKeyPairSync("ec", { namedCurve: "P-256" }));

function file(name: string, key: KeyObject): string {
  const path = join(folder, name);
  const type = key.type === "private" ? "pkcs8" : "spki";
  writeFileSync(path, key.export({ type, format: "pem" } as never));
  return path;
}

const files = {
  rsa: file("rsa.pub", rsa.publicKey),
  ec: file("ec.pub", ec.publicKey),
  ours: file("ours.key", ours.privateKey),
};

const required = {
  signatures: "required",
  sign_key_file: files.ours,
  sign_key_id: "relay-1",
  verify_key_file: files.ec,
  verify_key_id: "new",
  verify_previous_key_file: files.rsa,
  verify_previous_key_id: "old",
};

/** The canonical form by hand: the keys of these messages are written in order. */
function canonical(message: Record<string, unknown>): Buffer {
  const { msg_id = "", payload = null, trace_id = "", ts_ms = 0, type } = message;
  return Buffer.from(JSON.stringify({ msg_id, payload: sorted(payload), trace_id, ts_ms, type }));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1);
  return Object.fromEntries(entries.map(([key, one]) => [key, sorted(one)]));
}

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };

function signed<Message extends Record<string, unknown>>(
  message: Message,
  { privateKey: key }: Pair,
  kid = "",
  form: "der" | "ieee-p1363" = "der",
) {
  const body = canonical(message);
  const how = key.asymmetricKeyType === "rsa" ? { key, ...PSS } : { key, dsaEncoding: form };
  return { ...message, sign: sign("sha256", body, how).toString("base64"), kid };
}

function register(ts_ms = Date.now()) {
  const payload = { role: "FE", secret: SECRET, client_id: "fé-1" };
  return { type: "register", payload, msg_id: "m", ts_ms, trace_id: "t" };
}

describe("what comes in", () => {
  const now = Date.now();
  const signatures = (more: Record<string, unknown> = {}) => {
    const { rlx1 } = configOf({ rlx1: { ...required, ...more } });
    return new Signatures({ mode: rlx1!.signatures, keys: readSignatureKeys(rlx1) });
  };

  test("is right by either key, in either form, with its name or without", () => {
    const all = signatures();
    expect(all.faultOf(signed(register(now), ec, "new"), now)).toBeNull();
    expect(all.faultOf(signed(register(now), ec, "new", "ieee-p1363"), now)).toBeNull();
    expect(all.faultOf(signed(register(now), rsa, "old"), now)).toBeNull();
    expect(all.faultOf(signed(register(now), rsa), now)).toBeNull();
    const bare = { type: "port_state_q", ts_ms: now };
    expect(all.faultOf(signed(bare, ec, "new"), now)).toBeNull();
  });

  test("is wrong by another key, another name, and with anything changed", () => {
    const all = signatures();
    expect(all.faultOf(signed(register(now), stranger, "new"), now)).toBe("wrong_signature");
    expect(all.faultOf(signed(register(now), ec, "old"), now)).toBe("wrong_signature");
    expect(all.faultOf(signed(register(now), ec, "older"), now)).toBe("unknown_key");
    const good = signed(register(now), ec, "new");
    const changes = [
      { payload: { ...good.payload, role: "BE" } },
      { payload: null },
      { type: "ping" },
      { msg_id: "n" },
      { trace_id: "" },
      { ts_ms: now + 1 },
      { sign: good.sign.slice(4) },
      { sign: "AAAA" },
      { sign: "no base64 at all" },
      { sign: "A".repeat(3000) },
      { sign: 5 },
      { sign: { a: 1 } },
    ];
    for (const change of changes) {
      const fault = all.faultOf({ ...good, ...change }, now);
      expect([change, fault]).toEqual([change, "wrong_signature"]);
    }
  });

  test("is wrong where canonical JSON has no form for it", () => {
    const all = signatures();
    for (const payload of ['{"c_send":1e999}', '["\\ud800"]', '{"\\udc00":0}']) {
      const message = `{"type":"ping","payload":${payload},"ts_ms":${now},"sign":"AAAA"}`;
      expect(all.faultOf(JSON.parse(message), now)).toBe("wrong_signature");
    }
  });

  test("is good for 30 s by the clock", () => {
    const all = signatures();
    for (
      const [off, fault] of [[-30_000, null], [30_000, null], [-30_001, "stale"], [30_001, "stale"]]
    ) {
      expect(all.faultOf(signed(register(now + Number(off)), ec, "new"), now)).toBe(fault as never);
    }
    const { ts_ms: _, ...timeless } = register();
    expect(all.faultOf(signed(timeless, ec, "new"), now)).toBe("stale");
    expect(all.faultOf({ ...signed(register(now), ec, "new"), ts_ms: "now" }, now)).toBe("stale");
  });

  test("must be signed where it is required, and may be where it is optional", () => {
    expect(signatures().faultOf(register(now), now)).toBe("unsigned");
    const optional = signatures({ signatures: "optional" });
    expect(optional.faultOf(register(now), now)).toBeNull();
    expect(optional.faultOf(signed(register(now), stranger), now)).toBe("wrong_signature");
    const off = signatures({ signatures: "off" });
    expect(off.faultOf(signed(register(now), stranger), now)).toBeNull();
  });

  test("after the keys have been changed the one before the last is good no longer", () => {
    const all = signatures();
    const { rlx1 } = configOf({
      rlx1: {
        ...required,
        verify_key_file: file("third.pub", stranger.publicKey),
        verify_key_id: "third",
        verify_previous_key_file: files.ec,
        verify_previous_key_id: "new",
      },
    });
    all.apply({ mode: "required", keys: readSignatureKeys(rlx1) });
    expect(all.faultOf(signed(register(now), stranger, "third"), now)).toBeNull();
    expect(all.faultOf(signed(register(now), ec, "new"), now)).toBeNull();
    expect(all.faultOf(signed(register(now), rsa, "old"), now)).toBe("unknown_key");
  });
});

describe("against a gateway", () => {
  function expectOurs(message: V1Message, key: Pair, kid: string): void {
    const { line: _, sign: signature = "", ...envelope } = message;
    expect(envelope.kid).toBe(kid);
    expect(Math.abs(Date.now() - envelope.ts_ms!)).toBeLessThan(10_000);
    const bytes = Buffer.from(signature, "base64");
    const how = key.publicKey.asymmetricKeyType === "rsa" ? PSS : {};
    const is_right = verify(
      "sha256",
      canonical({ ...envelope }),
      { key: key.publicKey, ...how },
      bytes,
    );
    expect([message.type, is_right]).toEqual([message.type, true]);
  }

  const send = (client: V1Client, message: object) => client.write(JSON.stringify(message));

  test("all that is sent is signed, the answer with its request's ids", async () => {
    const { connect } = await startGateway({ rlx1: required });
    const client = await connect();
    send(client, signed(register(), ec, "new"));
    await client.next("log");
    expect(client.all[0]).toMatchObject({ type: "auth", trace_id: "t", msg_id: "m" });
    const ping = { type: "ping", payload: { c_send: 5 }, ts_ms: Date.now(), msg_id: "mine" };
    send(client, signed(ping, rsa, "old"));
    const pong = await client.next("pong");
    expect(pong.msg_id).toBe("mine");
    expect(client.all.length).toBeGreaterThanOrEqual(5);
    for (const message of client.all) expectOurs(message, ours, "relay-1");
    const ids = client.all.map(({ msg_id }) => msg_id);
    expect(new Set(ids).size).toBe(ids.length);
    expectValid(client);
  });

  test("what canonical JSON has no form for ends nothing but its own connection", async () => {
    const { connect } = await startGateway({ rlx1: { ...required, signatures: "optional" } });
    const stranger = await connect();
    send(stranger, { ...register(), trace_id: "\ud800", sign: "AAAA" });
    await stranger.ended();
    const client = await connect();
    const { ts_ms: _, ...unsigned } = register();
    send(client, { ...unsigned, trace_id: "t\ud800", msg_id: "m\udc00" });
    const auth = await client.next("auth");
    // As the runtime of the original reads such text.
    expect(auth).toMatchObject({ trace_id: "t\ufffd", msg_id: "m\ufffd" });
    client.send("port_acquire", { request_id: "\ud800", need_zmq: true }, { trace_id: "\udfff" });
    const grant = await client.next("port_grant");
    expect([grant.payload.request_id, grant.trace_id]).toEqual(["\ufffd", "\ufffd"]);
    for (const message of client.all) expectOurs(message, ours, "relay-1");
  });

  test("an RSA key signs with PSS", async () => {
    const sign_key_file = file("rsa.key", rsa.privateKey);
    const { connect } = await startGateway({
      rlx1: { signatures: "optional", sign_key_file, sign_key_id: "r" },
    });
    const client = await connect();
    send(client, register());
    expectOurs(await client.next("auth"), rsa, "r");
  });

  test("an unsigned register is closed without a word, an unsigned request not acted on", async () => {
    const { connect, log } = await startGateway({ rlx1: required });
    const stranger = await connect();
    send(stranger, register());
    await stranger.ended();
    expect(stranger.all).toEqual([]);
    expect(linesOf(log, "register_refused")[0]).toMatchObject({
      code: "AUTH_FAILED",
      reason: "unsigned",
    });
    const client = await connect();
    send(client, signed(register(), ec, "new"));
    await client.next("auth");
    client.send("ping", { c_send: 1 });
    const refused = await client.acquire({ need_zmq: true });
    expect(refused.payload).toMatchObject({ session_id: "", error_code: "AUTH_FAILED" });
    expect(client.all.map(({ type }) => type)).not.toContain("pong");
    expect(linesOf(log, "signature_refused")[0].reason).toBe("unsigned");
    expectValid(client);
  });

  test("keys are changed by a reload", async () => {
    let next: Config = configOf({ rlx1: required });
    const { gateway, connect, config } = await startGateway({ rlx1: required }, {
      load: () => next,
    });
    next = structuredClone(config);
    Object.assign(next.rlx1!, {
      sign_key_file: file("ec.key", ec.privateKey),
      sign_key_id: "relay-2",
      verify_previous_key_file: "",
      verify_previous_key_id: "",
    });
    await gateway.reload("the test");
    const late = await connect();
    send(late, signed(register(), rsa, "old"));
    await late.ended();
    const client = await connect();
    send(client, signed(register(), ec, "new"));
    expectOurs(await client.next("auth"), ec, "relay-2");
  });
});
