/** SIGHUP: what changes at once, what waits for a restart, and that a wrong file changes nothing. */
import { afterEach, expect, setDefaultTimeout, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { turn } from "../harness/deadline.ts";
import { claimPorts } from "../harness/free-ports.ts";
import { GatewayProcess, type Settings } from "../harness/gateway-process.ts";
import { joinTcp, Meeting } from "../harness/meeting.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(30_000);

let gateway: GatewayProcess;
afterEach(() => gateway.kill());

const range = (first: number, ports: number): Settings => ({
  zeromq: { port_range: `${first}-${first + ports - 1}` },
});

test("a range shrinks around sessions that run, and grows again", async () => {
  gateway = await GatewayProcess.start({ tcp_ports: 4 });
  const { first } = gateway.ports.tcp;
  const meeting = await Meeting.of(gateway, { name: "range", max_conn: 8 });
  const ask = async () => await meeting.client.granted(meeting.client.ask({ need_zmq: true }));
  const grants = [await ask(), await ask(), await ask()];
  const sessions = await Promise.all(grants.map((grant) => joinTcp(gateway, grant)));
  expect(sessions.map(({ port }) => port)).toEqual([first, first + 1, first + 2]);

  expect(await gateway.reload(range(first, 2)))
    .toMatchObject({ status: "reloaded", applied: ["zeromq.port_range"], needs_restart: [] });
  const total = async () => (await gateway.statusPage()).port_state.zmq.total;
  expect(await total()).toBe(3);
  const last = sessions[2];
  await last.client.write("still here\n");
  expect((await last.server.head(11)).toString()).toBe("still here\n");
  const waiting = meeting.client.ask({ need_zmq: true, request_id: "waits" });
  await gateway.logged("pair_waiting", { request_id: "waits" });
  // The port that leaves is not what the next one gets.
  last.client.halfClose();
  last.server.halfClose();
  await gateway.logged("session_stop", { session_id: last.grant.session_id });
  expect(await total()).toBe(2);
  expect(gateway.linesOf("pair_granted", { request_id: "waits" })).toEqual([]);

  expect((await gateway.reload(range(first, 4))).status).toBe("reloaded");
  expect((await meeting.client.granted(waiting)).zmq_port).toBe(first + 2);
  const { client, server } = await joinTcp(gateway, await ask());
  await client.write("grown\n");
  expect((await server.head(6)).toString()).toBe("grown\n");
  expect(await total()).toBe(4);
  await meeting.close();
  await gateway.stop();
});

test("bounds hold from then on", async () => {
  gateway = await GatewayProcess.start();
  const port = gateway.control_port;
  const first = await V4Client.register({ port, role: "client", id: "first" });
  await gateway.reload({ gateway: { max_connections: 1 } });
  const late = await V4Client.connect({ port, id: "late" });
  late.send({ type: "register", payload: { role: "client", id: "late", token: "t" } });
  expect(await late.answer("register_ack")).toMatchObject({ code: 504 });
  await first.close();
  await gateway.stop();
});

test("the level of the log holds from then on", async () => {
  gateway = await GatewayProcess.start({ tcp_ports: 2 });
  // The log says nothing of this reload any more; the page shows that it is over.
  gateway.configure({ ...range(gateway.ports.tcp.first, 1), logging: { level: "error" } });
  gateway.signal("SIGHUP");
  await gateway.statusUntil("the smaller range", ({ port_state }) => port_state.zmq.total === 1);
  const refused = await gateway.reload({ logging: { level: "loud" } });
  expect(refused.status).toBe("reload_refused");
  await (await V4Client.register({ port: gateway.control_port, role: "client", id: "c" })).close();
  expect(gateway.linesOf("reloaded").concat(gateway.linesOf("registered"))).toEqual([]);
  await gateway.stop();
});

test("what needs a restart is named, and stays as it was", async () => {
  gateway = await GatewayProcess.start();
  const line = await gateway.reload({ gateway: { tcp_port: 1, session_idle_timeout: "61s" } });
  expect(line).toMatchObject({
    status: "reloaded",
    applied: ["gateway.session_idle_timeout"],
    needs_restart: ["gateway.tcp_port"],
  });
  expect((await gateway.statusPage()).status).toBe("Running");
  await gateway.stop();
});

test("a wrong file changes nothing and is told with its places", async () => {
  gateway = await GatewayProcess.start();
  const line = await gateway.reload({ gateway: { max_connections: 0 }, limits: { nonsense: 1 } });
  expect(line).toMatchObject({ status: "reload_refused", level: "error" });
  for (const place of ["gateway.max_connections", "limits.nonsense"]) {
    expect(line.error).toContain(place);
    await gateway.complained(place);
  }
  writeFileSync(gateway.config_path, "gateway: [");
  gateway.signal("SIGHUP");
  await gateway.log.take("the second refusal", ({ status }) => status === "reload_refused");
  await (await V4Client.register({ port: gateway.control_port, role: "client", id: "c" })).close();
  await gateway.stop();
});

test("a signal to reload that comes while it starts or stops does not end it", async () => {
  gateway = new GatewayProcess(await claimPorts({}), {});
  gateway.launch();
  await gateway.logged("starting");
  gateway.signal("SIGHUP");
  await gateway.logged("serving");
  gateway.signal("SIGTERM");
  let is_over = false;
  const exited = gateway.exited().finally(() => is_over = true);
  while (!is_over) {
    try {
      gateway.signal("SIGHUP");
    } catch {
      // It has ended and nobody has been told yet.
    }
    await turn();
  }
  expect(await exited).toEqual({ code: 0, signal: null });
  expect(gateway.linesOf("stopped")).toHaveLength(1);
});
