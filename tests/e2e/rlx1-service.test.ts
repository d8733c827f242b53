/** Relay_X v1 as an operator has it: its own files and port, reloads, figures, and the tools. */
import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LoadReport } from "../../src/tools/rlx1/front-end.ts";
import { deferred, within } from "../harness/deadline.ts";
import { claimPorts } from "../harness/free-ports.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { commandLine, plainEnvironment, repository, runtimeUnderTest } from "../harness/runtime.ts";
import { V1Client } from "../harness/v1-client.ts";
import { V4Client } from "../harness/v4-client.ts";
import { startV1Gateway, V1_SECRET, v1End, v1Peer } from "../harness/v1-gateway.ts";

setDefaultTimeout(40_000);

const folder = mkdtempSync(join(tmpdir(), "relayx-v1-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function run(args: string[]) {
  const [command, all] = commandLine(runtimeUnderTest(), args);
  return spawnSync(command, all, {
    cwd: repository,
    env: plainEnvironment(),
    encoding: "utf8",
    timeout: 30_000,
  });
}

describe("v1's own files", () => {
  const templates = join(repository, "tests/unit/config/v1-templates");

  for (const name of ["dev", "test", "prod"]) {
    test(`relayx check takes the template for ${name}, and warns of its secret`, () => {
      const home = join(folder, name);
      mkdirSync(home);
      writeFileSync(join(home, "config.yaml"), readFileSync(join(templates, `${name}.yaml`)));
      writeFileSync(join(home, ".env.local.json"), readFileSync(join(templates, `${name}.json`)));
      const { status, stdout, stderr } = run(["check", "--config_path", home]);
      expect([status, stderr]).toEqual([0, expect.stringContaining("better at least 32 bytes")]);
      expect(stdout).toContain("valid; control 0.0.0.0:5555");
      expect(stdout).toContain("relay_X v1 on TCP ports");
      expect(stdout + stderr).not.toContain(`${name}_secret`);
    });
  }

  test("a gateway starts with one: its control port, its secret from the JSON, its log on the console", async () => {
    const ports = await claimPorts({ tcp_ports: 8 });
    const { control, tcp } = ports;
    const gateway = new GatewayProcess(ports, {});
    // The file is v1's, word for word but for the numbers.
    gateway.configure = () => {
      writeFileSync(
        gateway.config_path,
        `relay:\n  max_fe: 2\n  max_be: 2\n  ring_buffer_size: 33554432\n  reaper_timeout: 2s\n` +
          `  control_port: ${control}\n  zmq_start_port: ${tcp.first}\n` +
          `  zmq_end_port: ${tcp.first + 1}\n  srt_start_port: ${tcp.first + 2}\n` +
          `  srt_end_port: ${tcp.first + 3}\nlog:\n  level: info\nadmin: { port: "off" }\n` +
          `zeromq: { port_range: "${tcp.first + 4}-${tcp.last}" }\n` +
          `gosrt: { port_range: "${ports.srt.first}-${ports.srt.last}" }\n`,
      );
      writeFileSync(
        join(gateway.config_path, "..", ".env.local.json"),
        `{"relay_public_key":"-","auth_secret":"${V1_SECRET}"}`,
      );
    };
    gateway.launch();
    try {
      await gateway.logged("serving", {}, 30_000);
      const front = await V1Client.connect({ port: control });
      await front.register({ role: "FE", secret: V1_SECRET });
      expect((await front.next("port_alloc")).payload.zmq_start_port).toBe(tcp.first);
      await (await V4Client.register({ port: control, role: "client", id: "v4" })).close();
      await front.close();
      await gateway.stop();
    } finally {
      await gateway.kill();
    }
  });
});

describe("a gateway of both generations", () => {
  test("a control port of its own serves v1 as well", async () => {
    const own = await claimPorts({ tcp_ports: 1 });
    const v1 = await startV1Gateway({ rlx1: { control_port: own.control } });
    try {
      const client = await V1Client.connect({ port: own.control });
      await client.register({ role: "BE", secret: V1_SECRET });
      const other = await v1Peer(v1, "FE");
      await client.close();
      await other.close();
    } finally {
      await v1.stop();
      await own.release();
    }
  });

  test("a reload moves the ranges around a session that runs, and names what waits", async () => {
    const v1 = await startV1Gateway();
    const { gateway, zmq, settings } = v1;
    try {
      const front = await v1Peer(v1, "FE");
      const back = await v1End(zmq.last, "BE", "be");
      await front.states(({ zmq_ready_ports }) => zmq_ready_ports.includes(zmq.last));
      const end = await v1End(zmq.last, "FE", "fe");
      await front.states(({ zmq_busy }) => zmq_busy === 1);
      const line = await gateway.reload(
        settings({ zmq_end_port: zmq.first + 9, secret: "another secret, for later only, long" }),
      );
      expect(line).toMatchObject({
        status: "reloaded",
        applied: ["rlx1.zmq_end_port"],
        needs_restart: ["rlx1.secret"],
      });
      await front.states(({ zmq_total, zmq_empty_ports }) =>
        zmq_total === 10 && zmq_empty_ports.length === 10
      );
      await end.write("still here");
      await back.reached(10);
      end.halfClose();
      await end.ended();
      await back.turnedAway();
      const wrong = await gateway.reload(settings({ max_fe: 0 }));
      expect(wrong.status).toBe("reload_refused");
      await front.close();
      await (await v1Peer(v1, "FE")).close();
    } finally {
      await v1.stop();
    }
  });

  test("the admin side shows v1's ports, peers, sessions and bytes, and ends them", async () => {
    const v1 = await startV1Gateway({ others: { admin: { port: 0 } } });
    const { gateway, zmq } = v1;
    try {
      const { admin_port } = await gateway.logged("admin_serving");
      const url = `http://127.0.0.1:${admin_port}`;
      // deno-lint-ignore no-explicit-any -- the test looks into answers of every shape
      const get = async (path: string): Promise<any> =>
        (await fetch(`${url}/api/v1/${path}`)).json();
      const front = await v1Peer(v1, "FE", "fe-7");
      const back = await v1End(zmq.first, "BE", "be-7");
      await front.states(({ zmq_ready_ports }) => zmq_ready_ports.length === 1);
      const { payload } = await front.acquire({ need_zmq: true }, { trace_id: "trace-7" });
      const end = await v1End(zmq.first, "FE", "fe-7");
      await front.states(({ zmq_busy }) => zmq_busy === 1);
      await end.write("x".repeat(1000));
      await back.reached(1000);
      const { sessions: [session] } = await get("sessions");
      expect(session).toMatchObject({
        session_id: payload.session_id,
        client_id: "fe-7",
        server_id: "be-7",
        trace_id: "trace-7",
      });
      const { registrations } = await get("registrations");
      expect(registrations).toMatchObject([{ role: "client", id: "fe-7" }]);
      expect((await get("gateway")).rlx1).toMatchObject({ front_ends: 1, leases: 1, sessions: 1 });
      const metrics = await (await fetch(`${url}/metrics`)).text();
      expect(metrics).toContain('relay_port_state{protocol="zmq",state="busy"} 1');
      expect(metrics).toContain('relay_port_state{protocol="zmq",state="empty"} 95');
      expect(metrics).toContain('relay_port_state{protocol="srt",state="empty"} 40');
      expect(metrics).toContain('zmq_conn_total{role="server"} 1');
      expect(metrics).toContain("relayx_leases 1");
      const { sentences } = await get(`explain/${payload.session_id}`);
      expect(sentences.join("\n")).toContain("leased");
      const kicked = await fetch(`${url}/api/v1/sessions/${payload.session_id}`, {
        method: "DELETE",
      });
      expect(await kicked.json()).toEqual({ ended: 1 });
      await end.turnedAway();
      await gateway.logged("session_stop", { reason: "kicked", port: zmq.first, bytes_up: 1000 });
      expect(await (await fetch(`${url}/metrics`)).text())
        .toContain('relay_pipe_bytes_total{direction="up",protocol="zmq"} 1000');
      expect((await get("gateway")).planes[0].workers).toBe(2);
      const gone = await fetch(`${url}/api/v1/registrations/client/fe-7`, { method: "DELETE" });
      expect(await gone.json()).toEqual({ ended: 1 });
      await front.ended();
      back.abort();
    } finally {
      await v1.stop();
    }
  });
});

test("the tools prove an installation: a back end keeps ports ready, and a load comes back right", async () => {
  const v1 = await startV1Gateway();
  const addr = `127.0.0.1:${v1.gateway.control_port}`;
  const [command, all] = commandLine(runtimeUnderTest(), [
    "rlx1-be",
    "--addr",
    addr,
    "--secret",
    V1_SECRET,
    "--ready_zmq",
    "6",
    "--ready_srt",
    "3",
  ]);
  const back = spawn(command, all, { cwd: repository, env: plainEnvironment(), stdio: "pipe" });
  const exit = deferred<number | null>();
  back.on("close", (code) => exit.resolve(code));
  try {
    const watch = await v1Peer(v1, "FE", "watch");
    const full = ({ zmq_ready_ports, srt_ready_ports }: {
      zmq_ready_ports: number[];
      srt_ready_ports: number[];
    }) => zmq_ready_ports.length === 6 && srt_ready_ports.length === 3;
    await watch.states(full, "the watermark");
    const result = run([
      "rlx1-fe",
      "--addr",
      addr,
      "--secret",
      V1_SECRET,
      "--label",
      "both",
      "--sessions",
      "12",
      "--parallel",
      "3",
      "--kb",
      "256",
    ]);
    expect([result.stderr, result.stdout, result.status]).toEqual(["", expect.any(String), 0]);
    const report = JSON.parse(result.stdout) as LoadReport;
    expect(report).toMatchObject({
      ok: true,
      sessions: 12,
      failed: 0,
      bytes: 12 * 2 * 256 * 1024,
      errors: {},
    });
    await watch.air.upcoming(
      "the watermark again",
      ({ type, payload }) => type === "port_state" && full(payload),
    );
    await watch.close();
    const refused = run(["rlx1-fe", "--addr", addr, "--secret", "wrong", "--sessions", "1"]);
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("closed")]);
    const mistaken = run(["rlx1-fe", "--secret", "x", "--label", "udp"]);
    expect([mistaken.status, mistaken.stderr]).toEqual([2, expect.stringContaining("--label")]);
    back.kill("SIGTERM");
    await within("the back end's end", exit.promise);
  } finally {
    back.kill("SIGKILL");
    await v1.stop();
  }
});
