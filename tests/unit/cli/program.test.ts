import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { versionText } from "../../../src/cli/version.ts";
import { relayx } from "./command.ts";
import product from "../../../package.json" with { type: "json" };

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-cli-"));
  writeFileSync(join(folder, "config.yaml"), "gateway:\n  tcp_port: 6000\n");
  writeFileSync(join(folder, "bad.yaml"), "gateway:\n  tcp_port: x\nzeromq:\n  port_range: 5-2\n");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SUMMARY =
  ": valid; control 0.0.0.0:6000, TCP ports 2300-2320 (21), SRT ports 2350-2380 (31), " +
  "log info as json to /var/log/gateway.log\n";

describe("relayx check", () => {
  test.each([
    [["check", "--config_path", "FOLDER"]],
    [["check", "--config_path=FOLDER"]],
    [["check", "-config_path", "FOLDER"]],
    [["-config_path=FOLDER", "check"]],
  ])("%j says what would be served", async (args) => {
    const result = await relayx(args.map((argument) => argument.replace("FOLDER", folder)));
    expect(result).toEqual({
      code: 0,
      stdout: `${join(folder, "config.yaml")}${SUMMARY}`,
      stderr: "",
    });
  });

  test("prints every problem and ends with 2", async () => {
    const path = join(folder, "bad.yaml");
    const { code, stdout, stderr } = await relayx(["check", "--config_path", path]);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr.trimEnd().split("\n").map((line) => line.split(": found")[0])).toEqual([
      `${path}:2:13 gateway.tcp_port`,
      `${path}:4:15 zeromq.port_range`,
    ]);
  });

  test("works without a file, and with the environment", async () => {
    const env = {
      RELAYX_GATEWAY_TCP_PORT: "0",
      RELAYX_GATEWAY_BIND_ADDRESS: "::1",
      RELAYX_ZEROMQ_PORT_RANGE: "4000",
    };
    const { code, stdout } = await relayx(["check"], env);
    expect(code).toBe(0);
    expect(stdout).toBe(
      "the defaults: valid; control [::1]:any free port, TCP ports 4000 (1), " +
        "SRT ports 2350-2380 (31), log info as json to the console\n",
    );
  });
});

test("relayx check names the shared SRT ports and counts the streams", async () => {
  const path = join(folder, "shared.yaml");
  const said = async (text: string) => {
    writeFileSync(path, text);
    const { code, stdout } = await relayx(["check", "--config_path", path]);
    expect(code).toBe(0);
    return /TCP ports 2300-2320 \(21\), (.*), log info/.exec(stdout)?.[1];
  };
  expect(await said("gosrt: { shared_port: 2346-2349 }\nstreams: { cam: {} }\n")).toBe(
    "SRT ports 2350-2380 (31), shared SRT ports 2346-2349 (4), 1 stream",
  );
  const both =
    "gosrt: { mode: shared, shared_port: 2349 }\nstreams: { a: {}, b: { port: 2340 } }\n";
  expect(await said(both)).toBe("shared SRT ports 2349 (1) for 1000 sessions, 2 streams");
  expect(await said("gosrt: { mode: shared, shared_port: 2349 }\n")).toBe(
    "shared SRT ports 2349 (1) for 1000 sessions",
  );
});

describe("the command line", () => {
  test("a wrong configuration stops the start with 2", async () => {
    for (const command of [[], ["start"]]) {
      const { code, stderr } = await relayx([...command, "--config_path", join(folder, "absent")]);
      expect(code).toBe(2);
      expect(stderr).toContain("found no such file");
    }
  });

  test("a log file that cannot be written stops the start with 2 and its place", async () => {
    const path = join(folder, "log.yaml");
    writeFileSync(path, "logging:\n  file_path: /proc/absent/gateway.log\n");
    const { code, stderr } = await relayx(["--config_path", path]);
    expect(code).toBe(2);
    expect(stderr).toBe(
      `${path}:2:14 logging.file_path: found "/proc/absent/gateway.log", which cannot be opened ` +
        "for writing (ENOENT); allowed: a file that this user may write, in a folder where it may " +
        "create files; or logging.output console\n",
    );
  });

  test("help has the commands, the options and examples, on stdout", async () => {
    const { code, stdout, stderr } = await relayx(["--help"]);
    expect(code).toBe(0);
    expect(stderr).toBe("");
    const words = ["--config_path", "--version", "start", "check", "streams", "url", "video-be"];
    for (const word of [...words, "video-fe"]) expect(stdout).toContain(word);
    expect(stdout).toContain("relayx check --config_path config.yaml");
    expect((await relayx(["-help"])).stdout).toBe(stdout);
  });

  test.each([
    [["chekc"], 'unknown command "chekc" (did you mean check?)'],
    [
      ["serve"],
      'unknown command "serve"; there are: start, check, status,',
    ],
    [["--nope"], "unknown option '--nope'"],
    [["check", "--nope"], "unknown option '--nope'"],
    [["check", "extra"], "too many arguments"],
    [["--config_path"], "argument missing"],
    [["--config_pth", "x"], "Did you mean --config_path?"],
  ])("%j is refused with 2", async (args, message) => {
    const { code, stdout, stderr } = await relayx(args);
    expect(code).toBe(2);
    expect(stdout).toBe("");
    expect(stderr).toContain(message);
  });
});

describe("relayx --version", () => {
  test("names relayx, the protocol, libsrt and the runtime", async () => {
    const text = await versionText(() =>
      Promise.resolve({
        version: "1.5.1",
        path: "/proc/self/fd/5",
        origin: "embedded",
        vulnerable: false,
        package: "libsrt-openssl-dev 1.5.1-1+deb12u2",
      })
    );
    expect(text.split("\n")).toEqual([
      `relayx ${product.version}`,
      "protocol relay_X V4 1.4",
      "libsrt 1.5.1 (embedded, from libsrt-openssl-dev 1.5.1-1+deb12u2)",
      expect.stringMatching(/^runtime Bun \d+\.\d+\.\d+/),
      "",
    ]);
  });

  test("warns about a vulnerable libsrt", async () => {
    const text = await versionText(() =>
      Promise.resolve({
        version: "1.5.1",
        path: "/usr/lib/libsrt.so",
        origin: "system",
        vulnerable: true,
      })
    );
    expect(text).toContain(
      "libsrt 1.5.1 (system, /usr/lib/libsrt.so)\nwarning: libsrt 1.5.1 has known",
    );
  });

  test("says why there is no libsrt, and the rest all the same", async () => {
    const text = await versionText(() => Promise.reject(new Error("not found in /a, /b")));
    expect(text).toContain("libsrt not available: not found in /a, /b\nruntime ");
  });
});
