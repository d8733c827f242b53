/** `auth.mode: tokens` against the built gateway: who is let in, who may meet whom, and taking back. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { GatewayProcess, type Settings } from "../harness/gateway-process.ts";
import { joinTcp } from "../harness/meeting.ts";
import { commandLine, repository, runtimeUnderTest } from "../harness/runtime.ts";
import { freshToken, hashOf, TokenFile } from "../harness/token-file.ts";
import { type Answer, V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(30_000);

const UNAUTHORIZED = { status: "error", code: 501, error: "501 unauthorized" };

const token = {
  camera: freshToken(),
  camera_next: freshToken(),
  viewer: freshToken(),
  guest: freshToken(),
  shy: freshToken(),
  old: freshToken(),
};

function entries() {
  return [
    { name: "camera", role: "server", id: "cam-*", token_hash: hashOf(token.camera) },
    { name: "viewer", role: "client", id: "fe-1", token_hash: hashOf(token.viewer) },
    {
      name: "guest",
      roles: ["client"],
      ids: ["guest-1", "guest-2"],
      token_hash: [hashOf(token.guest), hashOf(token.camera_next)],
      peers: ["cam-open*"],
    },
    {
      name: "shy",
      role: "server",
      id: "shy",
      token_hash: hashOf(token.shy),
      peers: ["fe-1"],
      quotas: { sessions: 1 },
    },
    {
      name: "old",
      role: "client",
      id: "old",
      token_hash: hashOf(token.old),
      expires: "2020-01-01",
    },
  ];
}

let file: TokenFile;
let settings: Settings;
let gateway: GatewayProcess;

beforeAll(async () => {
  file = new TokenFile(entries());
  settings = { auth: { mode: "tokens", tokens_file: file.path, revoke: "sessions" } };
  gateway = await GatewayProcess.start({ settings });
});
afterAll(async () => {
  await gateway.stop();
  file.remove();
});

async function knock(payload: Record<string, unknown>): Promise<{ client: V4Client; ack: Answer }> {
  const client = await V4Client.connect({ port: gateway.control_port, id: String(payload.id) });
  return { client, ack: await client.tryRegister(payload) };
}

async function enter(payload: Record<string, unknown>): Promise<V4Client> {
  const { client, ack } = await knock(payload);
  expect(ack).toEqual({ status: "ok" });
  return client;
}

describe("a registration", () => {
  test.each([
    ["with its token", { role: "server", id: "cam-7", token: token.camera }],
    ["with white space around it", { role: "client", id: " fe-1 ", token: ` ${token.viewer}\n` }],
    ["with the second of two tokens", { role: "client", id: "guest-2", token: token.camera_next }],
  ])("%s is let in", async (_name, payload) => {
    const client = await enter(payload);
    await client.close();
  });

  test.each([
    ["a token that nobody has", { role: "server", id: "cam-7", token: "wrong" }, "unknown_token"],
    ["an id that nobody has", { role: "server", id: "nobody", token: "wrong" }, "unknown_token"],
    ["somebody else's id", { role: "client", id: "guest-1", token: token.viewer }, "wrong_id"],
    ["another role", { role: "client", id: "cam-7", token: token.camera }, "wrong_role"],
    ["a token whose time is over", { role: "client", id: "old", token: token.old }, "expired"],
    [
      "the hash itself",
      { role: "client", id: "fe-1", token: hashOf(token.viewer) },
      "unknown_token",
    ],
  ])("with %s is told 501 and nothing else", async (_name, payload, reason) => {
    const { client, ack } = await knock(payload);
    expect(ack).toEqual(UNAUTHORIZED);
    await client.closed();
    // The lines of one kind share one within a second; its first stands for itself.
    await gateway.logged("register_refused", { code: 501, reason });
  });

  test("leaves no token in the log", () => {
    const log = JSON.stringify(gateway.log.items);
    for (const secret of Object.values(token)) {
      expect(log).not.toContain(secret);
      expect(log).not.toContain(hashOf(secret));
    }
  });
});

describe("a pairing", () => {
  test("is only with whom both may meet", async () => {
    const { camera, viewer, guest, shy } = token;
    const servers = [
      await enter({ role: "server", id: "cam-closed", token: camera, max_conn: 8 }),
      await enter({ role: "server", id: "shy", token: shy, max_conn: 8 }),
    ];
    const visitor = await enter({ role: "client", id: "guest-1", token: guest });

    // What its own rules forbid is said at once, the same for servers that are there and are not.
    for (const server_id of ["cam-closed", "nobody"]) {
      const refusal = await visitor.refused(visitor.ask({ server_id, need_zmq: true }));
      expect(refusal).toMatchObject({ code: 501, error: "501 not authorised" });
    }

    // Any server: neither of the two is one that it may have, so it waits for one that is.
    const waiting = visitor.ask({ need_zmq: true });
    await visitor.settled();
    const open = await enter({ role: "server", id: "cam-open", token: camera, max_conn: 8 });
    expect((await visitor.granted(waiting)).server_id).toBe("cam-open");

    // Another client is not held up by one that waits for what it could use as well.
    const rest = [1, 2].map(() => visitor.ask({ server_id: "cam-open-2", need_zmq: true }));
    const owner = await enter({ role: "client", id: "fe-1", token: viewer });
    expect((await owner.granted(owner.ask({ server_id: "shy", need_zmq: true }))).server_id)
      .toBe("shy");

    // The server's own quota: to the client it is a server without room.
    const second = owner.ask({ server_id: "shy", need_zmq: true });
    await owner.settled();
    expect(owner.untaken("pair_grant")).toEqual([]);
    expect(owner.untaken("pair_error")).toEqual([]);

    await Promise.all([...servers, open, visitor, owner].map((one) => one.close()));
    for (const request_id of [second, ...rest]) {
      await gateway.logged("pair_refused", { request_id, reason: "asker_left" });
    }
  });
});

describe("a reload", () => {
  test("ends what a token brought about that is gone, and leaves the others alone", async () => {
    const server = await enter({ role: "server", id: "cam-1", token: token.camera, max_conn: 8 });
    const owner = await enter({ role: "client", id: "fe-1", token: token.viewer });
    const guest = await enter({ role: "client", id: "guest-1", token: token.guest });
    const kept = await joinTcp(
      gateway,
      await owner.granted(owner.ask({ server_id: "cam-1", need_zmq: true })),
    );

    // The guest's first token is replaced, and it may now meet every camera.
    const changed = entries().map((entry) =>
      entry.name === "guest"
        ? { ...entry, token_hash: hashOf(token.camera_next), peers: ["cam-*"] }
        : entry
    );
    file.write(changed);
    expect((await gateway.reload(settings)).status).toBe("reloaded");
    expect(await guest.answer("error")).toEqual({ code: 501, error: "501 revoked" });
    await guest.closed();
    const again = await enter({ role: "client", id: "guest-1", token: token.camera_next });
    const lost = await joinTcp(
      gateway,
      await again.granted(again.ask({ server_id: "cam-1", need_zmq: true })),
    );

    file.write(changed.filter(({ name }) => name !== "guest"));
    expect((await gateway.reload(settings)).status).toBe("reloaded");
    await again.closed();
    await gateway.logged("session_ended", {
      session_id: lost.grant.session_id,
      reason: "revoked",
    });
    await kept.client.write("still here\n");
    expect((await kept.server.head(11)).toString()).toBe("still here\n");
    expect(gateway.linesOf("session_ended", { session_id: kept.grant.session_id })).toEqual([]);

    // A file that is wrong changes nothing.
    file.write([{ name: "viewer", role: "client", id: "fe-1", token_hash: "not a hash" }]);
    const refused = await gateway.reload(settings);
    expect(refused.status).toBe("reload_refused");
    expect(String(refused.error)).toContain(`${file.path}:1:`);
    expect(String(refused.error)).toContain("tokens.0.token_hash");
    expect(String(refused.error)).not.toContain("not a hash");
    await owner.settled();

    file.write(entries());
    expect((await gateway.reload(settings)).status).toBe("reloaded");
    await Promise.all([server, owner].map((one) => one.close()));
  });
});

function relayx(args: string[], input = "") {
  const [command, all] = commandLine(runtimeUnderTest(), args);
  return spawnSync(command, all, { input, encoding: "utf8", cwd: repository });
}

describe("relayx token", () => {
  test("makes tokens that are let in with the entries that it makes", async () => {
    const made = relayx(
      ["token", "new", "--role", "server", "--id", "made-1", "--name", "made", "--json"],
    );
    const { token: secret, entry } = JSON.parse(made.stdout);
    expect(entry).toEqual({
      name: "made",
      role: "server",
      id: "made-1",
      token_hash: hashOf(secret),
    });
    file.write([...entries(), entry]);
    expect((await gateway.reload(settings)).status).toBe("reloaded");
    const server = await enter({ role: "server", id: "made-1", token: secret });
    await server.close();
  });

  test("prints the entry as YAML, hashes what it is given, and refuses what can be guessed", () => {
    const made = relayx(["token", "new", "--role", "client", "--id", "fe-*", "--peer", "be-1"]);
    const [secret, , ...entry] = made.stdout.trimEnd().split("\n");
    expect(entry.join("\n")).toBe(
      `  - name: "fe--"\n    role: "client"\n    id: "fe-*"\n` +
        `    token_hash: "${hashOf(secret)}"\n    peers: ["be-1"]`,
    );
    expect(relayx(["token", "hash"], `${secret}\n`).stdout).toBe(`${hashOf(secret)}\n`);
    const short = relayx(["token", "hash"], "hunter2\n");
    expect([short.status, short.stdout]).toEqual([2, ""]);
    expect(short.stderr).toContain("found 7 characters");
    const wrong = relayx(["token", "new", "--role", "king", "--id", "x"]);
    expect(wrong.status).toBe(2);
    expect(wrong.stderr).toContain("Allowed choices are client, server");
    const late = relayx(["token", "new", "--role", "client", "--id", "x", "--expires", "soon"]);
    expect([late.status, late.stdout]).toEqual([2, ""]);
    expect(late.stderr).toStartWith(
      'relayx token new: --expires: found "soon"; allowed: a day ("2027-01-31"',
    );
  });
});

test("a gateway whose file is wrong does not start, and says why", async () => {
  const wrong = new TokenFile([{
    name: "x",
    role: "server",
    id: "a",
    token_hash: "secret-itself",
  }]);
  try {
    const start = GatewayProcess.start({
      settings: { auth: { mode: "tokens", tokens_file: wrong.path } },
    });
    const message = await start.then(() => "it started", (error: Error) => error.message);
    expect(message).toContain("ended with 2");
    expect(message).toContain(`${wrong.path}:1:`);
    expect(message).not.toContain("secret-itself");
    const config_path = join(wrong.folder, "config.yaml");
    writeFileSync(config_path, `auth: { mode: tokens, tokens_file: "${wrong.path}" }\n`);
    const checked = relayx(["check", "--config_path", config_path]);
    expect([checked.status, checked.stdout]).toEqual([2, ""]);
    expect(checked.stderr).toContain(`${wrong.path}:1:`);
    writeFileSync(config_path, `auth: { mode: tokens, tokens_file: "${wrong.folder}/none" }\n`);
    expect(relayx(["check", "--config_path", config_path]).stderr)
      .toBe(
        `${wrong.folder}/none auth.tokens_file: found no such file; allowed: an existing file\n`,
      );
  } finally {
    wrong.remove();
  }
});
