/** The command line of the original program, as its scripts have it, and what comes of it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Command } from "commander";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { normaliseArguments } from "../../../src/cli/arguments.ts";
import { addParameters, givenFlags, PARAMETERS } from "../../../src/cli/fastway-flags.ts";
import { wishesOf } from "../../../src/cli/fastway.ts";
import { changesBetween } from "../../../src/config/changes.ts";
import { fastwaySection } from "../../../src/config/fastway-section.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { relayx } from "./command.ts";

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-fastway-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What `relayx fastway …` would run with. */
function configOf(line: string, env: Record<string, string> = {}, path?: string) {
  const program = new Command("relayx").exitOverride();
  const command = addParameters(program.command("fastway")).allowExcessArguments(false)
    .action(() => {});
  const words = ["fastway", ...line.split(" ").filter(Boolean)];
  program.parse(normaliseArguments(program, words), { from: "user" });
  return loadConfig({ path, env, wishes: wishesOf(givenFlags(command), env) });
}

describe("flags", () => {
  test("are the original's parameters with the defaults that the section has", () => {
    const original = Object.keys(fastwaySection.shape).filter((key) => /^[A-Z]/.test(key));
    expect(PARAMETERS.map(([key]) => String(key))).toEqual(original);
    const defaults = fastwaySection.parse({});
    for (const [key, , fallback] of PARAMETERS) {
      const shown = configOf(`-${key}=${fallback}`).config.fastway!;
      expect([key, shown[key]]).toEqual([key, defaults[key]]);
    }
  });

  test("without any of them fastway is served with its defaults", () => {
    expect(configOf("").config.fastway).toEqual(fastwaySection.parse({}));
  });

  test.each([
    ["-ClientAddr 127.0.0.1:8880", { ClientAddr: { host: "127.0.0.1", port: 8880 } }],
    ["--ClientAddr=:8880", { ClientAddr: { host: "", port: 8880 } }],
    ["-MaxPacket 1048576 -ClientMaxConn=0", { MaxPacket: 1_048_576, ClientMaxConn: 0 }],
    ["-MaxPacket=1M", { MaxPacket: 1_048_576 }],
    ["-ReusePort", { ReusePort: true }],
    ["-ReusePort -ClientAddr :8", { ReusePort: true, ClientAddr: { host: "", port: 8 } }],
    ["-ReusePort=F -ClientSnetEnable=1", { ReusePort: false, ClientSnetEnable: true }],
    ["-ClientIdleTimeout 1m30s", { ClientIdleTimeout: 90_000 }],
    ["-ServerAuthKey 12345", { ServerAuthKey: "12345" }],
    ["-ClientMaxConn 1 -ClientMaxConn 2", { ClientMaxConn: 2 }],
    ["-MemPoolType chan", { MemPoolType: "chan" }],
  ])("%s", (line, expected) => {
    expect(configOf(line).config.fastway).toMatchObject(expected);
  });

  test("go before the environment, and both before the file", () => {
    const path = join(folder, "config.yaml");
    writeFileSync(path, "fastway: { ClientMaxConn: 1, ServerSendChanSize: 1, ReusePort: true }\n");
    const env = { RELAYX_FASTWAY_CLIENTMAXCONN: "2", RELAYX_FASTWAY_SERVERSENDCHANSIZE: "2" };
    const { config, source } = configOf("-ClientMaxConn 3 -ReusePort=false", env, path);
    expect(source).toBe(path);
    expect(config.fastway)
      .toMatchObject({ ClientMaxConn: 3, ServerSendChanSize: 2, ReusePort: false });
    expect(config.gateway.tcp_port).toBe(5555);
    // They are there for a reload as well, so that it changes nothing by itself.
    const again = configOf("-ClientMaxConn 3 -ReusePort=false", env, path).config;
    expect(changesBetween(config, again)).toMatchObject({ applied: [], needs_restart: [] });
  });

  test("a file without the section gets it", () => {
    const path = join(folder, "other.yaml");
    writeFileSync(path, "gateway: { tcp_port: 0 }\n");
    expect(configOf("", {}, path).config.fastway?.ClientMaxConn).toBe(16);
  });
});

describe("what else listens", () => {
  test("only this machine can reach it, and nothing has a port of its own", () => {
    const { config } = configOf("-ClientAddr :5555 -ServerAddr :8080");
    expect(config.gateway).toMatchObject({ bind_address: "127.0.0.1", tcp_port: 0 });
    expect(config.admin.port).toBe("off");
    expect(config.logging.output).toBe("console");
    expect(config.rlx1).toBeUndefined();
    expect(configOf("", { RELAYX_ADMIN_PORT: "8080" }).config.admin.port).toBe(8080);
  });

  test("several workers with ReusePort, one without", () => {
    const cores = Math.min(4, availableParallelism());
    expect(configOf("").config.gateway.tcp_workers).toBe(1);
    expect(configOf("-ReusePort=false").config.gateway.tcp_workers).toBe(1);
    expect(configOf("-ReusePort").config.gateway.tcp_workers).toBe(cores);
    const env = { RELAYX_FASTWAY_REUSEPORT: "true" };
    expect(configOf("", env).config.gateway.tcp_workers).toBe(cores);
    expect(configOf("-ReusePort=0", env).config.gateway.tcp_workers).toBe(1);
    const three = { ...env, RELAYX_GATEWAY_TCP_WORKERS: "3" };
    expect(configOf("", three).config.gateway.tcp_workers).toBe(3);
  });

  test("ports of sessions make way", () => {
    const range = (line: string, env = {}) => configOf(line, env).config.zeromq.port_range.first;
    expect(range("")).toBe(2300);
    expect(range("-ClientAddr :2310")).toBe(2400);
    expect(range("-ClientAddr :2310 -ServerAddr 127.0.0.1:2400")).toBe(2500);
    expect(range("-ServerAddr :2300", { RELAYX_FASTWAY_CLIENTADDR: ":2420" })).toBe(2500);
    expect(range("-ServerAddr :1", { RELAYX_FASTWAY_SERVERADDR: ":2300" })).toBe(2300);
  });
});

describe("what is wrong ends it with 2", () => {
  test.each([
    [["-ClientMaxConn", "many"], '-ClientMaxConn fastway.ClientMaxConn: found "many"; allowed: '],
    [
      ["-ClientAddr", "8880"],
      "-ClientAddr fastway.ClientAddr: found 8880; allowed: ADDRESS:PORT",
    ],
    [["-ReusePort=maybe"], '-ReusePort fastway.ReusePort: found "maybe"; allowed: true or false'],
    [["-ClientAddr=:8", "-ServerAddr=:8"], "-ServerAddr fastway.ServerAddr: found "],
    [["-ClientAdr", ":1"], "unknown option"],
    [["start"], "too many arguments"],
  ])("%j", async (args, message) => {
    const { code, stdout, stderr } = await relayx(["fastway", ...args]);
    expect(stderr).toContain(message);
    expect([code, stdout]).toEqual([2, ""]);
  });

  test("and never shows a key", async () => {
    const { stderr } = await relayx(["fastway", "-ServerAuthKey=hunter2", "-ServerAuthPassword=b"]);
    expect(stderr).toContain("-ServerAuth");
    expect(stderr).not.toContain("hunter2");
  });
});

test("relayx check says where fastway is served", async () => {
  const { stdout } = await relayx(["check"], {
    RELAYX_FASTWAY_CLIENTADDR: ":8880",
    RELAYX_FASTWAY_SERVERADDR: "[::1]:0",
  });
  expect(stdout).toContain(
    "fastway for clients on *:8880, for servers on any free port of ::1, ",
  );
  expect((await relayx(["check"])).stdout).not.toContain("fastway");
});
