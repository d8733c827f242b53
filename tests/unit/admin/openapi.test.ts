import { expect, setDefaultTimeout, test } from "bun:test";
import { patience_ms } from "../../harness/deadline.ts";
import { checkedDocument } from "../../harness/openapi.ts";
import { endpointRow, fastwayFigures, registrationRow, sessionRow } from "./fake-source.ts";
import { endAdminsAfterEach, serve } from "./fixture.ts";

setDefaultTimeout(2 * patience_ms);
endAdminsAfterEach();

test("the description is a valid one of every route", async () => {
  const { ask } = await serve();
  const document = checkedDocument(await (await ask("/openapi.json")).json());
  expect(document.version).toBe("3.1.0");
  expect(document.operations()).toEqual([
    "DELETE /api/v1/bans/{subject}",
    "DELETE /api/v1/drain",
    "DELETE /api/v1/fastway/endpoints/{endpoint}",
    "DELETE /api/v1/registrations/{role}",
    "DELETE /api/v1/registrations/{role}/{id}",
    "DELETE /api/v1/sessions/{session_id}",
    "GET /api/v1/bans",
    "GET /api/v1/events",
    "GET /api/v1/explain",
    "GET /api/v1/explain/{subject}",
    "GET /api/v1/fastway/endpoints",
    "GET /api/v1/gateway",
    "GET /api/v1/history",
    "GET /api/v1/ports",
    "GET /api/v1/registrations",
    "GET /api/v1/sessions",
    "GET /api/v1/sessions/{session_id}",
    "GET /api/v1/streams",
    "GET /healthz",
    "GET /metrics",
    "GET /readyz",
    "POST /api/v1/bans",
    "POST /api/v1/drain",
    "POST /api/v1/reload",
  ]);
});

test("every answer is what the description says, refusals too", async () => {
  const { ask, source, journal } = await serve();
  source.rows = [sessionRow("s1")];
  source.registered = [registrationRow("server", "be-1")];
  source.fastway = fastwayFigures();
  source.endpoint_rows = [1, 2, 3].map((endpoint) => endpointRow(endpoint));
  journal.info({ status: "pair_granted", session_id: "s1", client_id: "fe-1" }, "m");
  const document = checkedDocument(await (await ask("/openapi.json")).json());
  const json = { "content-type": "application/json" };
  const requests: [method: string, route: string, path?: string, body?: string][] = [
    ["GET", "/healthz"],
    ["GET", "/readyz"],
    ["GET", "/api/v1/gateway"],
    ["GET", "/api/v1/ports"],
    ["GET", "/api/v1/registrations"],
    ["GET", "/api/v1/sessions"],
    ["GET", "/api/v1/sessions/{session_id}", "/api/v1/sessions/s1"],
    ["GET", "/api/v1/sessions/{session_id}", "/api/v1/sessions/none"],
    ["GET", "/api/v1/history"],
    ["GET", "/api/v1/fastway/endpoints"],
    ["GET", "/api/v1/fastway/endpoints", "/api/v1/fastway/endpoints?side=client&after=1&limit=1"],
    ["GET", "/api/v1/fastway/endpoints", "/api/v1/fastway/endpoints?side=neither"],
    [
      "DELETE",
      "/api/v1/fastway/endpoints/{endpoint}",
      "/api/v1/fastway/endpoints/1",
    ],
    [
      "DELETE",
      "/api/v1/fastway/endpoints/{endpoint}",
      "/api/v1/fastway/endpoints/9",
    ],
    ["GET", "/api/v1/streams"],
    ["GET", "/api/v1/events"],
    ["GET", "/api/v1/events", "/api/v1/events?limit=x"],
    ["GET", "/api/v1/explain/{subject}", "/api/v1/explain/s1"],
    ["GET", "/api/v1/explain", "/api/v1/explain?subject=.."],
    ["GET", "/api/v1/explain"],
    ["POST", "/api/v1/bans", undefined, '{"subject":"id:x"}'],
    ["POST", "/api/v1/bans", undefined, '{"subject":"x"}'],
    ["POST", "/api/v1/bans", undefined, "{"],
    ["GET", "/api/v1/bans"],
    ["DELETE", "/api/v1/bans/{subject}", "/api/v1/bans/id%3Ax"],
    ["DELETE", "/api/v1/bans/{subject}", "/api/v1/bans/id%3Ay"],
    ["POST", "/api/v1/drain", undefined, "{}"],
    ["DELETE", "/api/v1/drain"],
    ["POST", "/api/v1/reload"],
    ["DELETE", "/api/v1/sessions/{session_id}", "/api/v1/sessions/s1"],
    ["DELETE", "/api/v1/registrations/{role}/{id}", "/api/v1/registrations/server/be-1"],
    ["DELETE", "/api/v1/registrations/{role}", "/api/v1/registrations/server?id=be-1"],
    ["DELETE", "/api/v1/registrations/{role}", "/api/v1/registrations/server"],
    ["POST", "/api/v1/bans", undefined, "x".repeat(70_000)],
  ];
  const faults: unknown[] = [];
  for (const [method, route, path = route, body] of requests) {
    const answer = await ask(path, { method, headers: method === "POST" ? json : {}, body });
    faults.push(...document.faults(method, route, answer.status, await answer.json()));
  }
  source.reasons = ["draining"];
  const not_ready = await ask("/readyz");
  faults.push(...document.faults("GET", "/readyz", not_ready.status, await not_ready.json()));
  expect(faults).toEqual([]);
});

test("a document or an answer that breaks the rules is noticed", async () => {
  const { ask } = await serve();
  const text = await (await ask("/openapi.json")).text();
  expect(() => checkedDocument({ ...JSON.parse(text), openapi: "2.0" })).toThrow("openapi");
  expect(() => checkedDocument(JSON.parse(text.replaceAll('"in":"path"', '"in":"nowhere"'))))
    .toThrow();
  const document = checkedDocument(JSON.parse(text));
  expect(document.faults("GET", "/healthz", 200, { status: "bad" })).not.toEqual([]);
  expect(document.faults("GET", "/healthz", 500, {})).not.toEqual([]);
  expect(document.faults("GET", "/healthz", 204, {})).not.toEqual([]);
  expect(document.faults("GET", "/api/v1/bans", 200, { bans: [{}] })).not.toEqual([]);
});
