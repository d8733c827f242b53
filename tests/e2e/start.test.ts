import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFile } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import dgram from "node:dgram";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { within } from "../harness/deadline.ts";
import { claimPorts } from "../harness/free-ports.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { joinTcp, Meeting, provesServing } from "../harness/meeting.ts";
import {
  binary_path,
  commandLine,
  plainEnvironment,
  repository,
  runtimeUnderTest,
} from "../harness/runtime.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(30_000);

interface Run {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs relayx to its end. */
function run(args: string[], environment: Record<string, string> = {}): Promise<Run> {
  const [command, all] = commandLine(runtimeUnderTest(), args);
  return within(
    `relayx ${args.join(" ")}`,
    new Promise<Run>((resolve) => {
      execFile(
        command,
        all,
        { cwd: repository, env: plainEnvironment(environment), timeout: 14_000 },
        (error, stdout, stderr) =>
          resolve({
            code: error ? (typeof error.code === "number" ? error.code : null) : 0,
            stdout,
            stderr,
          }),
      );
    }),
  );
}

async function withConfig(text: string, use: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "relayx-start-"));
  try {
    const path = join(folder, "config.yaml");
    writeFileSync(path, text);
    await use(path);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

describe("a configuration that is wrong", () => {
  const text = [
    "gateway:",
    "  tcp_port: 2305",
    "  auth_timeout: 10 minutes",
    "  max_conections: 5",
    "zeromq:",
    '  port_range: "2300-2320"',
    "gosrt:",
    '  port_range: "5-2"',
    "  latency: many",
    "",
  ].join("\n");

  for (const command of [[], ["check"]]) {
    test(`stops "relayx ${command.join(" ")}" with every problem at once`, async () => {
      await withConfig(text, async (path) => {
        const { code, stdout, stderr } = await run([...command, "--config_path", path]);
        expect(code).not.toBe(0);
        const said = stdout + stderr;
        expect(said).toContain("config.yaml:3");
        expect(said).toContain("gateway.auth_timeout");
        expect(said).toContain("10 minutes");
        expect(said).toContain("config.yaml:4");
        expect(said).toContain("max_connections");
        expect(said).toContain("config.yaml:8");
        expect(said).toContain("5-2");
        expect(said).toContain("gosrt.latency");
        expect(said).not.toContain("    at ");
      });
    });
  }

  test("a TCP range over the control port is named, an SRT range over it is in order", async () => {
    const srt_too = 'gateway:\n  tcp_port: 2355\ngosrt:\n  port_range: "2350-2380"\n';
    await withConfig(srt_too, async (path) => {
      expect((await run(["check", "--config_path", path])).code).toBe(0);
    });
    await withConfig("gateway:\n  tcp_port: 2305\n", async (path) => {
      const { code, stdout, stderr } = await run(["check", "--config_path", path]);
      expect(code).not.toBe(0);
      expect(stdout + stderr).toContain("2305");
    });
  });

  test("a file that is not there stops the start with one clear message", async () => {
    const { code, stdout, stderr } = await run(["--config_path", "/nowhere/relayx.yaml"]);
    expect(code).not.toBe(0);
    expect(stdout + stderr).toContain("/nowhere/relayx.yaml");
    expect(stdout + stderr).not.toContain("    at ");
  });

  test("a folder stands for the config.yaml in it; the environment overrides it", async () => {
    const folder = mkdtempSync(join(tmpdir(), "relayx-folder-"));
    try {
      const inner = join(folder, "etc");
      mkdirSync(inner);
      writeFileSync(join(inner, "config.yaml"), "gateway:\n  tcp_port: 6001\n");
      expect((await run(["check", "--config_path", inner])).stdout).toContain("6001");
      const overridden = await run(["check", "--config_path", inner], {
        RELAYX_GATEWAY_TCP_PORT: "6002",
      });
      expect(overridden.stdout).toContain("6002");
      const wrong = await run(["check", "--config_path", inner], {
        RELAYX_GATEWAY_TCP_PORT: "many",
      });
      expect(wrong.code).not.toBe(0);
      expect(wrong.stdout + wrong.stderr).toContain("RELAYX_GATEWAY_TCP_PORT");
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("the command line", () => {
  test("--version names the protocol, libsrt and the runtime", async () => {
    const { code, stdout } = await run(["--version"]);
    expect(code).toBe(0);
    expect(stdout).toContain("1.4");
    expect(stdout).toMatch(/libsrt.*1\.5\.\d/);
    expect(stdout).toMatch(runtimeUnderTest() === "deno" ? /deno/i : /bun/i);
  });

  test("an unknown option is refused", async () => {
    const { code, stderr } = await run(["--confg_path", "x"]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("confg_path");
  });
});

describe("ports that are taken", () => {
  test("the control port: one clear message and a non-zero exit", async () => {
    const gateway = new GatewayProcess(await claimPorts(), {});
    const blocker = net.createServer().listen(gateway.control_port, "127.0.0.1");
    try {
      await new Promise((resolve) => blocker.once("listening", resolve));
      gateway.launch();
      const { code } = await gateway.exited();
      expect(code).not.toBe(0);
      expect(code).not.toBeNull();
      expect(gateway.stderr).toContain(String(gateway.control_port));
      expect(gateway.stderr).not.toContain("    at ");
      expect(gateway.stderr.trim().split("\n").length).toBe(1);
    } finally {
      blocker.close();
      await gateway.kill();
    }
  });

  test("a TCP data port becomes Blocked, is told, and comes back", async () => {
    const gateway = await GatewayProcess.start({ tcp_ports: 2 });
    const { first } = gateway.ports.tcp;
    const blocker = net.createServer().listen(first, "127.0.0.1");
    try {
      await new Promise((resolve) => blocker.once("listening", resolve));
      const meeting = await Meeting.of(gateway, { name: "blocked" });
      const grant = await meeting.session("zmq");
      expect(grant.zmq_port).toBe(first + 1);
      for (const side of [meeting.client, meeting.server]) {
        const conflict = await side.answer("port_conflict") as Record<string, unknown>;
        expect(conflict).toMatchObject({ kind: "zmq", port: first });
        expect(conflict.error).toBeString();
        expect(Object.keys(conflict).sort()).toEqual(["error", "kind", "port"]);
      }
      await gateway.logged("port_blocked", { port: first });
      expect((await gateway.statusPage()).port_state.zmq).toMatchObject({
        blocked: 1,
        reserved: 1,
      });
      const session = await joinTcp(gateway, grant);
      session.client.abort();
      await session.server.closed();

      await new Promise((resolve) => blocker.close(resolve));
      await gateway.logged("port_unblocked", { port: first }, 30_000);
      await gateway.allPortsIdle();
      expect((await meeting.session("zmq")).zmq_port).toBe(first);
      await meeting.close();
    } finally {
      if (blocker.listening) blocker.close();
      await gateway.stop();
    }
  }, 60_000);

  test("an SRT data port too; with every port blocked the request waits", async () => {
    const gateway = await GatewayProcess.start({ srt_ports: 1 });
    const { first } = gateway.ports.srt;
    const blocker = dgram.createSocket("udp4");
    let open = true;
    try {
      await new Promise<void>((resolve) => blocker.bind(first, "127.0.0.1", resolve));
      const meeting = await Meeting.of(gateway, { name: "udp" });
      const request_id = meeting.client.ask({ need_srt: true });
      const conflict = await meeting.client.answer("port_conflict");
      expect(conflict).toMatchObject({ kind: "srt", port: first });
      expect((await gateway.statusPage()).port_state.srt).toMatchObject({ blocked: 1, idle: 0 });
      expect(meeting.client.untaken("pair_grant")).toEqual([]);
      await new Promise<void>((resolve) => blocker.close(resolve));
      open = false;
      expect((await meeting.client.granted(request_id, 30_000)).srt_port).toBe(first);
      await meeting.close();
    } finally {
      if (open) blocker.close();
      await gateway.stop();
    }
  }, 60_000);
});

describe("other ways to listen", () => {
  test("IPv6", async () => {
    const gateway = await GatewayProcess.start({ host: "::1" });
    try {
      expect((await gateway.statusPage()).status).toBe("Running");
    } finally {
      await gateway.stop();
    }
  });

  test.skipIf(runtimeUnderTest() !== "binary")(
    "the binary alone in an empty folder serves, with the libsrt it carries",
    async () => {
      const folder = mkdtempSync(join(tmpdir(), "relayx-alone-"));
      const executable = join(folder, "relayx");
      copyFileSync(binary_path, executable);
      let gateway: GatewayProcess | null = null;
      try {
        gateway = await GatewayProcess.start({
          executable,
          environment: { PATH: "/nonexistent", HOME: folder },
        });
        await provesServing(gateway, { name: "alone" });
        const meeting = await Meeting.of(gateway, { name: "alone-srt" });
        await meeting.session("srt");
        await meeting.close();
        const maps = readFileSync(`/proc/${gateway.pid}/maps`, "utf8");
        expect(maps).not.toContain("/libsrt");
        expect(maps).not.toContain("/libcrypto");
        expect(maps).toContain("libc.so");
      } finally {
        await gateway?.stop();
        rmSync(folder, { recursive: true, force: true });
      }
    },
  );
});
