/** A trace id through the whole life of a session: answers, grants and every line of the log. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { joinTcp, Meeting } from "../harness/meeting.ts";
import type { Grant } from "../harness/v4-client.ts";

setDefaultTimeout(30_000);

const trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
let gateway: GatewayProcess;

beforeAll(async () => {
  gateway = await GatewayProcess.start();
});
afterAll(() => gateway.stop());

test("goes to both ends with the grant and into every line about the session", async () => {
  const meeting = await Meeting.of(gateway, { name: "traced" });
  meeting.client.send({ type: "pair_request", trace_id, payload: { need_zmq: true } });
  const envelopes = await Promise.all(
    [meeting.client, meeting.server].map((end) =>
      end.inbox.take("the grant", (message) => message.type === "pair_grant")
    ),
  );
  for (const envelope of envelopes) expect(envelope).toMatchObject({ trace_id });
  const grant = envelopes[0].payload as Grant;
  const { client, server } = await joinTcp(gateway, grant);
  client.halfClose();
  server.halfClose();
  await gateway.logged("session_stop", { session_id: grant.session_id });
  const lines = gateway.log.items.filter((line) => line.session_id === grant.session_id);
  expect(lines.map(({ status }) => status)).toContain("pair_granted");
  for (const line of lines) expect(line).toMatchObject({ trace_id });
  await meeting.close();
});

test("comes back with a refusal, and a request without one gets none", async () => {
  const meeting = await Meeting.of(gateway, { name: "refused" });
  const refused = () =>
    meeting.client.inbox.take("the refusal", (message) => message.type === "pair_error");
  meeting.client.send({ type: "pair_request", trace_id, payload: {} });
  expect(await refused()).toMatchObject({ trace_id, payload: { code: 502 } });
  meeting.client.send({ type: "pair_request", trace_id: 17, payload: {} });
  expect(await refused()).not.toHaveProperty("trace_id");
  await meeting.close();
});
