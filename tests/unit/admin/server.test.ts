import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { patience_ms } from "../../harness/deadline.ts";
import { registrationRow, sessionRow } from "./fake-source.ts";
import { endAdminsAfterEach, everything, head, READ_TOKEN, serve, TOKEN } from "./fixture.ts";

setDefaultTimeout(2 * patience_ms);
endAdminsAfterEach();

const JSON_TYPE = { "content-type": "application/json" };

async function refusalOf(answer: Response): Promise<Record<string, unknown>> {
  return { status: answer.status, ...(await answer.json() as Record<string, unknown>) };
}

describe("what is asked for", () => {
  test("the gateway, its ports, registrations, sessions, streams and bans", async () => {
    const { ask, source } = await serve();
    source.rows = [sessionRow("s1")];
    source.registered = [registrationRow("server", "be-1")];
    const read = async (path: string) => await (await ask(path)).json();
    expect(await read("/healthz")).toEqual({ status: "ok" });
    expect(await read("/api/v1/gateway")).toMatchObject({ state: "Running", sessions: 1 });
    expect(await read("/api/v1/ports")).toEqual(source.ports() as never);
    expect(await read("/api/v1/registrations")).toEqual({ registrations: source.registered });
    expect(await read("/api/v1/sessions")).toEqual({ sessions: source.rows });
    expect(await read("/api/v1/sessions/s1")).toEqual(source.rows[0] as never);
    expect(await read("/api/v1/streams")).toEqual({ streams: [] });
    expect(await read("/api/v1/bans")).toEqual({ bans: [] });
    expect(await refusalOf(await ask("/api/v1/sessions/s2"))).toMatchObject({
      status: 404,
      code: "not_found",
      found: 'no session "s2"',
    });
  });

  test("readiness says why not", async () => {
    const { ask, source } = await serve();
    const ready = await ask("/readyz");
    expect([ready.status, await ready.json()]).toEqual([200, { ready: true, reasons: [] }]);
    source.reasons = ["draining"];
    const not = await ask("/readyz");
    expect([not.status, await not.json()]).toEqual([503, { ready: false, reasons: ["draining"] }]);
  });

  test("events, and the wait for them", async () => {
    const { ask, journal } = await serve();
    journal.info({ status: "one", session_id: "s1" }, "m");
    journal.warn({ status: "two", id: "fe/1 ?&" }, "m");
    const of = async (query: string) => {
      const { events, last_seq } = await (await ask(`/api/v1/events${query}`)).json() as {
        events: { status: string }[];
        last_seq: number;
      };
      return { statuses: events.map(({ status }) => status), last_seq };
    };
    const { last_seq, statuses } = await of("");
    // Among them is what the port itself has logged.
    expect(statuses.slice(-2)).toEqual(["one", "two"]);
    expect((await of("?status=one,two&limit=1")).statuses).toEqual(["two"]);
    expect((await of("?session_id=s1")).statuses).toEqual(["one"]);
    expect((await of(`?id=${encodeURIComponent("fe/1 ?&")}`)).statuses).toEqual(["two"]);
    expect((await of("?level=warn")).statuses).toEqual(["two"]);
    const waiting = of(`?after=${last_seq}&wait_ms=20000&status=three`);
    while (journal.snapshot().waiting === 0) await new Promise((done) => setImmediate(done));
    journal.info({ status: "four" }, "m");
    journal.info({ status: "three" }, "m");
    expect((await waiting).statuses).toEqual(["three"]);
    for (const query of ["?limit=0", "?limit=1001", "?after=-1", "?wait_ms=30001", "?level=loud"]) {
      expect((await refusalOf(await ask(`/api/v1/events${query}`))).status).toBe(400);
    }
  });

  test("a reader that leaves while it waits is waited for no longer", async () => {
    const { ask, journal } = await serve();
    const gone = new AbortController();
    const asked = ask("/api/v1/events?after=9000000000000000&wait_ms=30000", {
      signal: gone.signal,
    });
    asked.catch(() => {});
    while (journal.snapshot().waiting === 0) await new Promise((done) => setImmediate(done));
    gone.abort();
    while (journal.snapshot().waiting > 0) await new Promise((done) => setImmediate(done));
    await expect(asked).rejects.toThrow();
  });

  test("HEAD says what GET would, without the body", async () => {
    const { raw } = await serve();
    const got = await raw(head("GET /healthz"));
    const [lines, body] = got.split("\r\n\r\n");
    expect(body).toBe('{"status":"ok"}');
    const only_head = await raw(head("HEAD /healthz"));
    const without_date = (text: string) => text.replace(/^date:.*\r\n/im, "").toLowerCase();
    expect(without_date(only_head)).toBe(without_date(`${lines}\r\n\r\n`));
  });

  test("the page's files are there for everybody, with their types", async () => {
    const assets = new Map([
      ["/", { type: "text/html; charset=utf-8", body: "<!doctype html>" }],
      ["/page.js", { type: "text/javascript; charset=utf-8", body: new Uint8Array([0x61]) }],
    ]);
    const { ask } = await serve({ token: TOKEN }, assets);
    const page = await ask("/");
    expect([page.status, page.headers.get("content-type"), await page.text()]).toEqual([
      200,
      "text/html; charset=utf-8",
      "<!doctype html>",
    ]);
    expect(await (await ask("/page.js")).text()).toBe("a");
    expect((await ask("/other.js")).status).toBe(401);
  });
});

describe("orders", () => {
  test("each is carried out, and logged with who gave it", async () => {
    const { ask, source, log } = await serve({ token: TOKEN, read_token: READ_TOKEN });
    source.rows = [sessionRow("s1")];
    source.registered = [registrationRow("server", "be-1")];
    const by = expect.stringMatching(/^127\.0\.0\.1:\d+ token$/);
    const order = async (method: string, path: string, body?: unknown) => {
      const init = body === undefined ? {} : { body: JSON.stringify(body) };
      const answer = await ask(path, { method, token: TOKEN, headers: JSON_TYPE, ...init });
      return [answer.status, await answer.json()] as [number, Record<string, unknown>];
    };
    expect(await order("DELETE", "/api/v1/sessions/s1")).toEqual([200, { ended: 1 }]);
    expect(await order("DELETE", "/api/v1/registrations/server/be-1?sessions=true")).toEqual(
      [200, { ended: 1 }],
    );
    expect(await order("POST", "/api/v1/bans", { subject: "id:x", reason: "why" })).toEqual([200, {
      subject: "id:x",
      reason: "why",
      since_unix_ms: 1,
      until_unix_ms: null,
      automatic: false,
    }]);
    expect(await order("DELETE", "/api/v1/bans/id%3Ax")).toEqual([200, { ended: 1 }]);
    expect((await order("POST", "/api/v1/drain", { deadline_ms: 5000 }))[1]).toMatchObject({
      state: "Draining",
      drain: { deadline_unix_ms: 5000 },
    });
    expect((await order("DELETE", "/api/v1/drain"))[1]).toMatchObject({ state: "Running" });
    expect((await order("POST", "/api/v1/drain"))[1]).toMatchObject({ state: "Draining" });
    expect(await order("POST", "/api/v1/reload")).toEqual([200, {
      applied: ["logging.level"],
      needs_restart: [],
    }]);
    expect(source.orders).toEqual([
      ["kickSession", "s1", by],
      ["kickRegistration", "server", "be-1", true, by],
      ["ban", { subject: "id:x", reason: "why", duration_ms: null }, by],
      ["unban", "id:x", by],
      ["drain", 5000, by],
      ["undrain", by],
      ["drain", null, by],
      ["reload", by],
    ]);
    const told = log.lines.items.filter(({ status }) => status === "admin_order");
    expect(told.map(({ order }) => order)).toEqual([
      "kick_session",
      "kick_registration",
      "ban",
      "unban",
      "drain",
      "undrain",
      "drain",
      "reload",
    ]);
    expect(told.every((line) => /^127\.0\.0\.1:\d+ token$/.test(String(line.by)))).toBe(true);
  });

  test("one that cannot be carried out says why, and so does the log", async () => {
    const { ask, source, log } = await serve();
    source.reload_problem = "a typo";
    const post = (path: string, body: string) =>
      ask(path, { method: "POST", headers: JSON_TYPE, body });
    expect(await refusalOf(await ask("/api/v1/sessions/s9", { method: "DELETE" }))).toEqual({
      status: 404,
      code: "not_found",
      found: 'no session "s9"',
      allowed: "a session that runs",
    });
    expect((await ask("/api/v1/registrations/client/x", { method: "DELETE" })).status).toBe(404);
    expect((await ask("/api/v1/registrations/boss/x", { method: "DELETE" })).status).toBe(400);
    expect((await ask("/api/v1/bans/id%3Ax", { method: "DELETE" })).status).toBe(404);
    expect(await refusalOf(await post("/api/v1/bans", '{"subject":"x"}'))).toMatchObject({
      status: 422,
      code: "bad_subject",
    });
    expect(await refusalOf(await post("/api/v1/reload", ""))).toEqual({
      status: 422,
      code: "config_error",
      found: "config.yaml:3:1 gateway.tcp_port: found a typo; allowed: a port",
      allowed: "a configuration without mistakes; nothing changed",
    });
    for (
      const body of [
        "",
        "{",
        "[]",
        "{}",
        '{"subject":""}',
        '{"subject":"id:x","extra":1}',
        '{"subject":"id:x","duration_ms":0}',
        '{"subject":"id:x","duration_ms":1e999}',
      ]
    ) {
      const answer = await refusalOf(await post("/api/v1/bans", body));
      expect({ body, ...answer }).toMatchObject({ body, status: 400, code: "bad_request" });
    }
    const codes = log.lines.items.filter(({ status }) => status === "admin_order")
      .map(({ order, code }) => [order, code]);
    expect(codes).toEqual([
      ["kick_session", "not_found"],
      ["kick_registration", "not_found"],
      ["unban", "not_found"],
      ["ban", "bad_subject"],
      ["reload", "config_error"],
    ]);
  });

  test("a mistake of our own ends one request and nothing else", async () => {
    const { ask, source, log } = await serve();
    source.broken = new Error("our mistake");
    expect(await refusalOf(await ask("/api/v1/gateway"))).toMatchObject({
      status: 500,
      code: "internal",
    });
    source.broken = null;
    expect((await ask("/api/v1/gateway")).status).toBe(200);
    expect((await log.status("admin_error")).level).toBe("error");
  });

  test("an id may be any text", async () => {
    const { ask, source } = await serve();
    const ids = ["a/b", "%2F", "%", "a?b#c", "../..", "ä\u{1F600}", " ", "a b+c", "<script>", "\\"];
    for (const id of ids) {
      source.registered = [registrationRow("client", id)];
      const path = `/api/v1/registrations/client/${encodeURIComponent(id)}`;
      const answer = await ask(path, { method: "DELETE" });
      expect({ id, status: answer.status }).toEqual({ id, status: 200 });
      expect(source.orders.pop()).toEqual([
        "kickRegistration",
        "client",
        id,
        false,
        expect.any(String),
      ]);
    }
    for (const id of [".", ".."]) {
      source.registered = [registrationRow("client", id)];
      const path = `/api/v1/registrations/client?id=${encodeURIComponent(id)}`;
      expect((await ask(path, { method: "DELETE" })).status).toBe(200);
      const explained = await ask(`/api/v1/explain?subject=${id}`);
      expect((await explained.json() as { subject: string }).subject).toBe(id);
    }
  });
});

describe("tokens", () => {
  test("are needed for everything but the probes", async () => {
    const { ask } = await serve({ token: TOKEN, read_token: READ_TOKEN });
    for (const path of ["/healthz", "/readyz"]) expect((await ask(path)).status).toBe(200);
    for (const path of ["/metrics", "/openapi.json", "/api/v1/gateway", "/nothing", "/"]) {
      const answer = await ask(path);
      expect(answer.headers.get("www-authenticate")).toBe('Bearer realm="relayx"');
      expect(await refusalOf(answer)).toMatchObject({ status: 401, code: "unauthorized" });
      expect((await ask(path, { token: TOKEN })).status).not.toBe(401);
      expect((await ask(path, { token: READ_TOKEN })).status).not.toBe(401);
    }
  });

  test("the one for reading orders nothing", async () => {
    const { ask, source } = await serve({ token: TOKEN, read_token: READ_TOKEN });
    const init = { method: "POST", headers: JSON_TYPE, token: READ_TOKEN };
    expect(await refusalOf(await ask("/api/v1/drain", init))).toMatchObject({
      status: 403,
      code: "read_only",
    });
    expect(source.orders).toEqual([]);
  });

  test("metrics may be open to everybody", async () => {
    const { ask, admin } = await serve({ token: TOKEN, metrics_open: true });
    expect((await ask("/metrics")).status).toBe(200);
    expect((await ask("/api/v1/gateway")).status).toBe(401);
    const changed = { token: TOKEN, metrics_open: false, allowed_hosts: [], read_token: "" };
    const bounds = {
      connections_max: 9,
      connections_per_address_max: 9,
      request_timeout_ms: 900,
      events_max: 100,
      events_size_max: 65_536,
    };
    admin.apply({ admin: { bind_address: "127.0.0.1", port: 0, ...changed, ...bounds } });
    expect((await ask("/metrics")).status).toBe(401);
  });

  test("wrong ones are counted, told, and limited, while the right one works", async () => {
    const { ask, unauthorized, log } = await serve({ token: TOKEN });
    const statuses: number[] = [];
    for (const wrong of [`${TOKEN}x`, TOKEN.slice(1), TOKEN.toUpperCase(), "x".repeat(300)]) {
      statuses.push((await ask("/api/v1/gateway", { token: wrong })).status);
    }
    expect(statuses).toEqual([401, 401, 401, 401]);
    let refused = await ask("/api/v1/gateway", { token: "wrong" });
    while (refused.status === 401) refused = await ask("/api/v1/gateway", { token: "wrong" });
    expect(refused.headers.get("retry-after")).toBe("10");
    expect(await refusalOf(refused)).toMatchObject({ status: 429, code: "too_many_failures" });
    expect(new Set(unauthorized)).toEqual(new Set(["127.0.0.1"]));
    expect(unauthorized.length).toBeGreaterThanOrEqual(11);
    expect((await ask("/api/v1/gateway", { token: TOKEN })).status).toBe(200);
    const lines = JSON.stringify(log.lines.items);
    expect(lines).toContain("admin_refused");
    expect(lines).not.toContain(TOKEN.slice(1));
  });

  test("other ways to send one do not count", async () => {
    const { raw } = await serve({ token: TOKEN });
    for (
      const header of [
        `Authorization: Basic ${btoa(`x:${TOKEN}`)}`,
        `Authorization: ${TOKEN}`,
        `Cookie: token=${TOKEN}`,
        `Authorization: Bearer ${TOKEN}\r\nAuthorization: Bearer ${TOKEN}`,
      ]
    ) {
      expect(await raw(head("GET /api/v1/gateway", ["Host: localhost", header]))).toStartWith(
        "HTTP/1.1 401",
      );
    }
    expect(await raw(head(`GET /api/v1/gateway?token=${TOKEN}`))).toStartWith("HTTP/1.1 401");
  });
});

describe("what was not meant for this port", () => {
  test.each([
    ["localhost", 200],
    ["localhost:1", 200],
    ["LOCALHOST", 200],
    ["127.0.0.1:8080", 200],
    ["127.1.2.3", 200],
    ["[::1]:8080", 200],
    ["relay.example", 200],
    ["relay.example:443", 200],
    ["evil.example", 403],
    ["localhost.evil.example", 403],
    ["127.0.0.1.evil.example", 403],
    ["192.0.2.1", 403],
    ["relay.example.", 403],
    ["", 400],
    ["a b", 400],
    ["localhost:port", 400],
    ["user@localhost", 400],
    ["localhost/x", 400],
    ["[::1", 400],
  ])("the Host %j: %i", async (host, status) => {
    const { raw } = await serve({ allowed_hosts: ["relay.example"] });
    expect(await raw(head("GET /api/v1/gateway", [`Host: ${host}`]))).toStartWith(
      `HTTP/1.1 ${status}`,
    );
  });

  test("no Host, and two of them", async () => {
    const { raw } = await serve();
    expect(await raw(head("GET /healthz", []))).toStartWith("HTTP/1.1 400");
    expect(await raw(head("GET /healthz", ["Host: localhost", "Host: evil"]))).toStartWith(
      "HTTP/1.1 400",
    );
    expect(await raw("GET /healthz HTTP/1.0\r\n\r\n")).toMatch(/^HTTP\/1\.[01] 400/);
  });

  test.each([
    [["Sec-Fetch-Site: cross-site"], 403],
    [["Sec-Fetch-Site: same-site"], 403],
    [["Sec-Fetch-Site: same-origin"], 200],
    [["Sec-Fetch-Site: none"], 200],
    [["Origin: http://localhost"], 200],
    [["Origin: https://localhost"], 200],
    [["Origin: http://localhost:81"], 403],
    [["Origin: http://evil.example"], 403],
    [["Origin: null"], 403],
    [["Origin: https://relay.example"], 200],
    [["Origin: http://localhost", "Origin: http://evil.example"], 403],
  ])("an order with %j: %i", async (headers, status) => {
    const { raw, source } = await serve({ allowed_hosts: ["relay.example"] });
    const all = ["Host: localhost", "Content-Type: application/json", ...headers];
    expect(await raw(head("POST /api/v1/drain", all))).toStartWith(`HTTP/1.1 ${status}`);
    expect(source.orders).toHaveLength(status === 200 ? 1 : 0);
    const deleted = await raw(head("DELETE /api/v1/drain", ["Host: localhost", ...headers]));
    expect(deleted).toStartWith(`HTTP/1.1 ${status}`);
    expect(source.orders).toHaveLength(status === 200 ? 2 : 0);
  });

  test("a form cannot give orders", async () => {
    const { raw, source } = await serve();
    for (
      const type of [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "",
      ]
    ) {
      const headers = ["Host: localhost", `Content-Type: ${type}`, "Content-Length: 2"];
      expect(await raw(`${head("POST /api/v1/drain", headers)}{}`)).toStartWith("HTTP/1.1 415");
    }
    expect(await raw(head("POST /api/v1/drain"))).toStartWith("HTTP/1.1 415");
    expect(source.orders).toEqual([]);
  });

  test.each([
    ["//api/v1/drain", 400],
    ["/api//v1/drain", 400],
    ["/api/v1/../v1/drain", 400],
    ["/./api/v1/drain", 400],
    ["/api/v1/%2e%2e/v1/drain", 400],
    ["/api/v1/.%2E/drain", 400],
    ["/api%2Fv1%2Fdrain", 404],
    ["/api/v1%2fdrain", 404],
    ["/api\\v1\\drain", 400],
    ["/api/v1/%5cdrain", 404],
    ["/api/v1/drain%", 400],
    ["/api/v1/drain%zz", 400],
    ["/api/v1/drain%c0%af", 400],
    ["/api/v1/drain/", 404],
    ["/API/v1/drain", 404],
    ["/api/v1/drain%00", 404],
    ["/api/v1/drain;x=1", 404],
    ["http://localhost/api/v1/drain", 400],
    ["http://evil.example/api/v1/drain", 400],
    ["localhost:80", 400],
    ["*", 400],
  ])("the path %j: %i, and nothing is ordered", async (path, status) => {
    const { raw, source } = await serve();
    const headers = ["Host: localhost", "Content-Type: application/json", "Content-Length: 2"];
    expect(await raw(`${head(`POST ${path}`, headers)}{}`)).toStartWith(`HTTP/1.1 ${status}`);
    expect(source.orders).toEqual([]);
  });

  test("methods that a path does not have", async () => {
    const { ask, raw } = await serve();
    const told = async (method: string, path: string) => {
      const answer = await ask(path, { method, headers: JSON_TYPE });
      return [answer.status, answer.headers.get("allow")];
    };
    expect(await told("POST", "/api/v1/gateway")).toEqual([405, "GET, HEAD"]);
    expect(await told("GET", "/api/v1/drain")).toEqual([405, "POST, DELETE"]);
    expect(await told("PUT", "/api/v1/bans")).toEqual([405, "GET, HEAD, POST"]);
    expect(await told("DELETE", "/metrics")).toEqual([405, "GET, HEAD"]);
    expect(await told("OPTIONS", "/api/v1/drain")).toEqual([405, "POST, DELETE"]);
    expect(await told("PATCH", "/nothing")).toEqual([404, null]);
    expect(await raw(head("TRACE /healthz"))).toStartWith("HTTP/1.1 405");
    expect(await raw(head("CONNECT evil.example:443"))).toStartWith("HTTP/1.1 405");
    const upgrade = ["Host: localhost", "Upgrade: websocket", "Connection: Upgrade"];
    const asked = `GET /healthz HTTP/1.1\r\n${upgrade.join("\r\n")}\r\n\r\n`;
    expect(await raw(asked)).toStartWith("HTTP/1.1 400");
  });

  test("every answer forbids to be framed, guessed at, kept or read by others", async () => {
    const { ask } = await serve({ token: TOKEN });
    for (const path of ["/healthz", "/api/v1/gateway", "/nothing"]) {
      const { headers } = await ask(path, { headers: { origin: "http://evil.example" } });
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("frame-ancestors 'none'");
      expect(policy).not.toContain("unsafe");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("referrer-policy")).toBe("no-referrer");
      expect(headers.get("cache-control")).toBe("no-store");
      expect(headers.get("cross-origin-resource-policy")).toBe("same-origin");
      expect([...headers.keys()].filter((name) => name.startsWith("access-control"))).toEqual([]);
      expect(headers.get("set-cookie")).toBeNull();
    }
  });
});

describe("what is too much", () => {
  test("a body, announced or not", async () => {
    const { raw, source } = await serve();
    const json = ["Host: localhost", "Content-Type: application/json"];
    const big = "x".repeat(70_000);
    const announced = await raw(
      `${head("POST /api/v1/bans", [...json, `Content-Length: ${big.length}`])}${big}`,
    );
    expect(announced).toStartWith("HTTP/1.1 413");
    const chunked = head("POST /api/v1/bans", [...json, "Transfer-Encoding: chunked"]);
    expect(await raw(`${chunked}11170\r\n${big}\r\n0\r\n\r\n`)).toStartWith("HTTP/1.1 413");
    expect(source.orders).toEqual([]);
  });

  test("a head", async () => {
    const { raw } = await serve();
    const long = `X-Long: ${"x".repeat(9000)}`;
    expect(await raw(head("GET /healthz", ["Host: localhost", long]))).toStartWith("HTTP/1.1 431");
    expect(await raw(head(`GET /${"x".repeat(9000)}`))).toStartWith("HTTP/1.1 431");
  });

  test("bytes that are no request", async () => {
    const { raw, log } = await serve();
    for (
      const bytes of [
        "\x16\x03\x01\r\n\r\n",
        "{}\n\r\n\r\n",
        "GET\r\n\r\n",
        "GET /a b HTTP/1.1\r\n\r\n",
      ]
    ) {
      expect(await raw(bytes)).toStartWith("HTTP/1.1 400");
    }
    const two = head("POST /api/v1/drain", [
      "Host: localhost",
      "Content-Length: 2",
      "Transfer-Encoding: chunked",
    ]);
    expect(await raw(`${two}0\r\n\r\n`)).toStartWith("HTTP/1.1 400");
    expect(await log.status("admin_refused")).toMatchObject({ code: "bad_request" });
  });

  test("no refusal shows the log what may be a token", async () => {
    const { raw, log } = await serve({ token: TOKEN });
    for (const path of ["//x", "/x", "/api/v1/sessions", "/a/../b", "http://evil.example/"]) {
      await raw(head(`GET ${path}?token=${TOKEN}`));
    }
    expect(log.lines.items.filter(({ status }) => status === "admin_refused").length).toBe(2);
    expect(JSON.stringify(log.lines.items)).not.toContain(TOKEN);
  });

  test("time: for a head, for a body, and for nothing at all", async () => {
    const { open, admin, log } = await serve({ request_timeout_ms: 100 });
    const silent = await open();
    const slow_head = await open();
    slow_head.write("GET /healthz HTTP/1.1\r\nHost: local");
    const slow_body = await open();
    slow_body.write(
      "POST /api/v1/drain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n" +
        "Content-Length: 10\r\n\r\n{",
    );
    const [nothing, first, second] = await Promise.all(
      [silent, slow_head, slow_body].map(everything),
    );
    expect(nothing).toBe("");
    expect(first).toStartWith("HTTP/1.1 408");
    expect(second).toStartWith("HTTP/1.1 408");
    expect(await log.status("admin_refused")).toMatchObject({ code: "request_timeout" });
    while (admin.snapshot().connections > 0) await new Promise((done) => setImmediate(done));
  });

  test("connections of one address, and the others still get in", async () => {
    const { open, admin, ask, log } = await serve({
      connections_max: 20,
      connections_per_address_max: 10,
    });
    const held = [];
    for (let i = 0; i < 10; i++) held.push(await open());
    while (admin.snapshot().connections < 10) await new Promise((done) => setImmediate(done));
    const refused = await open();
    expect(await everything(refused)).toBe("");
    expect(await log.status("limit_reached")).toMatchObject({
      limit: "admin.connections_per_address_max",
      remote: "127.0.0.1",
    });
    for (const socket of held) socket.destroy();
    while (admin.snapshot().connections > 0) await new Promise((done) => setImmediate(done));
    expect((await ask("/healthz")).status).toBe(200);
  });

  test("requests before the last one is answered", async () => {
    const { raw, source, log, admin } = await serve();
    const wait = "GET /api/v1/events?after=9000000000000000&wait_ms=20000";
    const first = `${wait} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const second = "DELETE /api/v1/drain HTTP/1.1\r\nHost: localhost\r\n\r\n";
    expect(await raw(first + second.repeat(5000))).toBe("");
    expect(await log.status("admin_refused")).toMatchObject({ code: "pipelined" });
    expect(source.orders).toEqual([]);
    while (admin.snapshot().connections > 0) await new Promise((done) => setImmediate(done));
  });

  test("a banned address", async () => {
    const { open, banned, log } = await serve();
    banned.add("127.0.0.1");
    expect(await everything(await open())).toBe("");
    expect(await log.status("banned")).toMatchObject({ remote: "127.0.0.1", door: "admin" });
  });
});

describe("the port", () => {
  test("many requests on one connection", async () => {
    const { ask, admin } = await serve();
    for (let i = 0; i < 20; i++) expect((await ask("/healthz")).status).toBe(200);
    expect(admin.snapshot().connections).toBeLessThanOrEqual(3);
  });

  test("somebody else's is no reason to stop, and is tried again", async () => {
    const blocker = createServer();
    await new Promise<void>((done) => blocker.listen(0, "127.0.0.1", done));
    const { port } = blocker.address() as AddressInfo;
    const { admin, log } = await serve({ port });
    expect(await log.status("admin_unavailable")).toMatchObject({
      level: "warn",
      admin_port: port,
    });
    expect(admin.snapshot().port).toBeNull();
    await new Promise((done) => blocker.close(done));
    expect(await log.status("admin_serving")).toMatchObject({ admin_port: port });
    expect(admin.snapshot().port).toBe(port);
  });

  test("one that sessions are granted is left to them", async () => {
    const { log } = await serve({ port: 2310 });
    expect((await log.status("admin_unavailable")).error).toContain("zeromq.port_range");
  });

  test("the end answers who waits and cuts who dawdles", async () => {
    const { ask, open, admin, journal } = await serve();
    const idle = everything(await open());
    const waiting = ask("/api/v1/events?after=9000000000000000&wait_ms=30000");
    while (journal.snapshot().waiting === 0) await new Promise((done) => setImmediate(done));
    const closing = admin.close();
    expect((await waiting).status).toBe(200);
    await closing;
    expect(await idle).toBe("");
    expect(admin.snapshot().connections).toBe(0);
  });
});
