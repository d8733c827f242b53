import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { relayx } from "./command.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-url-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SECTIONS = {
  gateway: { bind_address: "203.0.113.7" },
  gosrt: { shared_port: "2346-2349" },
  streams: {
    "live/cam": { publish_key: "pub-key", read_key: "" },
    own: { port: 2400, passphrase: "own passphrase", read_key: "a b" },
  },
};

type Sections = Record<string, Record<string, unknown>>;

/** `relayx url` with this configuration over the usual one; the OBS line is its URL. */
async function url(args: string[], sections: Sections = {}) {
  const merged: Sections = { ...SECTIONS };
  for (const [name, keys] of Object.entries(sections)) merged[name] = { ...merged[name], ...keys };
  const path = join(folder, "config.yaml");
  writeFileSync(path, JSON.stringify(merged));
  const result = await relayx(["url", "--config_path", path, ...args]);
  return { ...result, obs: /^OBS .*\n {2}(.*)$/m.exec(result.stdout)?.[1] };
}

const session = "0123456789abcdef";

describe("a stream", () => {
  test("has its key and the first of the shared ports", async () => {
    const publish = await url(["live/cam", "--mode", "publish"]);
    expect(publish).toMatchObject({
      code: 0,
      stderr: "",
      obs: "srt://203.0.113.7:2346?streamid=publish:live/cam:pub-key",
    });
    const read = await url(["live/cam", "-mode=read", "--user", "bob"]);
    expect(read.obs).toBe("srt://203.0.113.7:2346?streamid=read:live/cam:bob:");
    expect(read.stdout).not.toContain("pub-key");
  });

  test("with a port of its own has that, and its passphrase", async () => {
    const { code, stdout } = await url(["own", "--mode", "read"]);
    expect(code).toBe(0);
    expect(stdout).toContain(
      "ffplay -passphrase 'own passphrase' -srt_streamid '#!::r=own,m=request,key=a%20b' " +
        "'srt://203.0.113.7:2400?pbkeylen=16'",
    );
  });

  test("on the shared port has the gateway's passphrase", async () => {
    const gosrt = { passphrase: "gateway-passphrase", pbkeylen: 24 };
    const read = await url(["live/cam", "--mode", "read"], { gosrt });
    expect(read.obs).toBe(
      "srt://203.0.113.7:2346?pbkeylen=24&passphrase=gateway-passphrase&streamid=read:live/cam",
    );
    const own = await url(["own", "--mode", "read"], { gosrt });
    expect(own.stdout).not.toContain("gateway-passphrase");
  });

  test("is where the flags say", async () => {
    const flags = ["--host", "[2001:db8::1]", "--port", "9000", "--latency", "250"];
    const { obs, stderr } = await url(["live/cam", "--mode", "read", ...flags]);
    expect(obs).toBe("srt://[2001:db8::1]:9000?latency=250000&streamid=read:live/cam");
    expect(stderr).toBe("");
  });

  test("of a gateway on every address is on this machine, and that is said", async () => {
    for (const bind_address of ["0.0.0.0", "::"]) {
      const { obs, stderr } = await url(["live/cam", "--mode", "read"], {
        gateway: { bind_address },
      });
      expect(obs).toBe("srt://127.0.0.1:2346?streamid=read:live/cam");
      expect(stderr).toContain("--host");
    }
  });

  test("that nobody has named is refused with the nearest one", async () => {
    const near = await url(["live/cma", "--mode", "read"]);
    expect(near).toMatchObject({ code: 2, stdout: "" });
    expect(near.stderr).toContain('no stream "live/cma"');
    expect(near.stderr).toContain('did you mean "live/cam"?');
    const far = await url(["\u001b[2Jelsewhere", "--mode", "read"]);
    expect(far.stderr).toContain("there are: live/cam, own");
    expect(far.stderr).not.toContain("\u001b");
    const none = await relayx(["url", "cam", "--mode", "read"]);
    expect(none.code).toBe(2);
    expect(none.stderr).toContain("in the defaults");
  });
});

describe("a session", () => {
  test("with shared ports is there", async () => {
    const { obs } = await url([session, "--mode", "publish", "--user", "fe-1"], {
      gosrt: { mode: "shared" },
    });
    expect(obs).toBe(`srt://203.0.113.7:2346?streamid=#!::s=${session},u=fe-1,m=publish`);
  });

  test("without them is where --port says", async () => {
    const { obs } = await url([session, "--mode", "read", "--port", "2351"]);
    expect(obs).toBe(`srt://203.0.113.7:2351?streamid=#!::s=${session},m=request`);
    const token = ["--hello_token", "00ff"];
    const proven = await url([session, "--mode", "read", "--port", "2351", ...token]);
    expect(proven.obs).toBe(
      `srt://203.0.113.7:2351?streamid=#!::s=${session},relayx_token=00ff,m=request`,
    );
    const missing = await url([session, "--mode", "read"]);
    expect(missing).toMatchObject({ code: 2, stdout: "" });
    expect(missing.stderr).toContain("--port");
  });

  test("gives way to a stream of that name", async () => {
    const { obs } = await url([session, "--mode", "read"], { streams: { [session]: {} } });
    expect(obs).toBe(`srt://203.0.113.7:2346?streamid=read:${session}`);
  });
});

test.each([
  [["live/cam"], "--mode"],
  [["live/cam", "--mode", "both"], "publish, read"],
  [["--mode", "read"], "missing required argument"],
  [["live/cam", "--mode", "read", "--port", "70000"], "--port"],
  [["live/cam", "--mode", "read", "--latency", "1.5"], "--latency"],
  [["live/cam", "--mode", "read", "--host", "a/b?c"], "--host"],
  [["live/cam", "--mode", "read", "--user", "ü".repeat(200)], "SRT allows 512"],
])("%j is refused with 2", async (args, message) => {
  const { code, stdout, stderr } = await url(args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
});

test("a configuration with mistakes is refused as it is everywhere", async () => {
  const { code, stderr } = await url(["live/cam", "--mode", "read"], { gosrt: { latency: -1 } });
  expect(code).toBe(2);
  expect(stderr).toContain("gosrt.latency: found -1");
});
