/** `relayx streams` and `relayx url` as processes, and programs of others started as they say. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Buffer } from "node:buffer";
import { type ChildProcess, spawn } from "node:child_process";
import dgram from "node:dgram";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StreamListing } from "../../src/data/plane.ts";
import { patience_ms, turn, within } from "../harness/deadline.ts";
import { claimPorts, type PortBlock } from "../harness/free-ports.ts";
import { GatewayProcess } from "../harness/gateway-process.ts";
import { Inbox } from "../harness/inbox.ts";
import { Meeting } from "../harness/meeting.ts";
import { announcedRandom } from "../harness/random.ts";
import { commandLine, plainEnvironment, repository, runtimeUnderTest } from "../harness/runtime.ts";

setDefaultTimeout(90_000);
const random = announcedRandom("stream commands");

/** Signs that a shell, a URL or a program might take for something of its own. */
const odd_passphrase = `it's "odd" \\ $(x) & more`;
const odd_key = "a b&c#d%e,f=g:h";

const folder = mkdtempSync(join(tmpdir(), "relayx-streams-e2e-"));
const config_path = join(folder, "config.yaml");

/** A program that was started, and what it says. */
class Program {
  readonly #child: ChildProcess;
  readonly #exit: Promise<number>;
  readonly #heard = new Inbox<string>();
  stdout = "";
  stderr = "";

  constructor(command: string, args: string[], { cwd = folder }: { cwd?: string } = {}) {
    this.#child = spawn(command, args, {
      cwd,
      env: plainEnvironment(),
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout!.on("data", (text: Buffer) => {
      this.stdout += text;
      this.#heard.push(this.stdout);
    });
    this.#child.stderr!.on("data", (text: Buffer) => {
      this.stderr += text;
      this.#heard.push(this.stderr);
    });
    this.#exit = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code) => {
        this.#heard.end(new Error(`it ended with ${code}: ${this.stdout}${this.stderr}`));
        resolve(code ?? 1);
      });
    });
    // Whoever does not wait for the end need not hear that it could not begin.
    this.#exit.catch(() => {});
  }

  /** A line as `relayx url` prints it, started by a shell that it takes the place of. */
  static ofLine(line: string): Program {
    return new Program("sh", ["-c", `exec ${line}`]);
  }

  wrote(words: string): Promise<string> {
    return this.#heard.see(`"${words}" from a program`, (text) => text.includes(words));
  }

  exited(ms = 40_000): Promise<number> {
    return within("the end of a program", this.#exit, ms);
  }

  async end(signal: "SIGINT" | "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    await this.exited();
  }
}

async function relayx(...args: string[]) {
  const program = new Program(...commandLine(runtimeUnderTest(), args), { cwd: repository });
  const code = await program.exited();
  return { code, stdout: program.stdout, stderr: program.stderr };
}

/** What `relayx url` prints for a program. */
async function printed(program: string, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await relayx("url", "--config_path", config_path, ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const lines = stdout.split("\n");
  const at = lines.findIndex((line) => line.startsWith(program) && line.endsWith(":"));
  return lines[at + 1].trim();
}

describe("relayx streams and relayx url", () => {
  let ports: PortBlock;
  let shared_port: number;
  let own_port: number;
  let udp: { from: number; to: number };
  let gateway: GatewayProcess;
  let addr: string;

  beforeAll(async () => {
    ports = await claimPorts({ srt_ports: 4 });
    const { first } = ports.srt;
    [shared_port, own_port] = [first, first + 1];
    udp = { from: first + 2, to: first + 3 };
    const settings = {
      gosrt: { shared_port },
      streams: {
        "live/cam": { publish_key: "let-me-in" },
        odd: {
          port: own_port,
          passphrase: odd_passphrase,
          publish_key: odd_key,
          read_key: odd_key,
          viewers_max: 7,
        },
      },
    };
    // The command and the gateway read the same of it; the rest is not the command's business.
    const gosrt = { ...settings.gosrt, port_range: "1-2" };
    writeFileSync(
      config_path,
      JSON.stringify({ ...settings, gosrt, gateway: { bind_address: "127.0.0.1" } }),
    );
    gateway = await GatewayProcess.start({ settings });
    addr = `127.0.0.1:${gateway.control_port}`;
  });
  afterAll(async () => {
    await gateway.stop();
    await ports.release();
    rmSync(folder, { recursive: true, force: true });
  });

  async function listing(): Promise<StreamListing[]> {
    const { code, stdout } = await relayx("streams", "--addr", addr, "--json");
    expect(code).toBe(0);
    return JSON.parse(stdout) as StreamListing[];
  }

  test("nobody is there", async () => {
    const { code, stdout, stderr } = await relayx("streams", "--addr", addr);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const rows = stdout.trimEnd().split("\n").map((line) => line.split(/ {2,}/));
    expect(rows.slice(1)).toEqual([
      ["live/cam", "nobody", "-", "-", "-", "-", "0/100", "0 B", "0 B"],
      ["odd", "nobody", "-", "-", "-", "-", "0/7", "0 B", "0 B"],
    ]);
    expect((await listing()).map(({ name, publisher, viewers }) => ({ name, publisher, viewers })))
      .toEqual(["live/cam", "odd"].map((name) => ({ name, publisher: null, viewers: [] })));
  });

  test("no gateway at the address, and no such stream", async () => {
    const nowhere = `127.0.0.1:${ports.control}`;
    const asked = await relayx("streams", "--addr", nowhere);
    expect({ code: asked.code, stdout: asked.stdout }).toEqual({ code: 1, stdout: "" });
    expect(asked.stderr).toContain(`no answer from ${nowhere}`);
    const named = await relayx("url", "live/cma", "--mode", "read", "--config_path", config_path);
    expect({ code: named.code, stdout: named.stdout }).toEqual({ code: 2, stdout: "" });
    expect(named.stderr).toContain('did you mean "live/cam"?');
  });

  /** Sends messages into one srt-live-transmit and compares what comes out of the other. */
  async function transmit(
    lines: { publish: string; read: string },
    steps: { readerIsThere: () => Promise<unknown>; meanwhile?: () => Promise<void> },
  ): Promise<void> {
    const arrived = new Inbox<Buffer>();
    const socket = dgram.createSocket("udp4", (message) => arrived.push(message));
    await new Promise<void>((resolve) => socket.bind(udp.to, "127.0.0.1", resolve));
    const start = (line: string, udp_port: number) =>
      Program.ofLine(
        line.replace("srt-live-transmit ", "srt-live-transmit -v ").replace(
          ":5000",
          `:${udp_port}`,
        ),
      );
    const reader = start(lines.read, udp.to);
    let publisher: Program | null = null;
    try {
      await steps.readerIsThere();
      publisher = start(lines.publish, udp.from);
      // What comes in before this line would be thrown away by it.
      await publisher.wrote("SRT target connected");
      for (let sent = 0; sent < 20; sent++) {
        const message = random.bytes(1_316);
        await new Promise((resolve) => socket.send(message, udp.from, "127.0.0.1", resolve));
        // One at a time, so that UDP on either side has no reason to lose any.
        expect((await arrived.take(`message ${sent}`, () => true)).equals(message)).toBe(true);
      }
      await steps.meanwhile?.();
    } finally {
      await publisher?.end("SIGINT");
      await reader.end("SIGINT");
      socket.close();
    }
  }

  test("srt-live-transmit publishes and reads a stream, and the table shows it", async () => {
    const name = "live/cam";
    await transmit({
      publish: await printed("srt-live-transmit", name, "--mode", "publish", "--user", "anna"),
      read: await printed("srt-live-transmit", name, "--mode", "read", "--latency", "200"),
    }, {
      readerIsThere: () => gateway.logged("viewing", { name }),
      meanwhile: async () => {
        const until = Date.now() + patience_ms;
        for (;;) {
          const [stream] = await listing();
          if (stream.bytes_out === 20 * 1_316) break;
          if (Date.now() > until) throw new Error(`not told in time: ${JSON.stringify(stream)}`);
        }
        const { stdout } = await relayx("streams", "--addr", addr);
        expect(stdout).toMatch(
          /^live\/cam +127\.0\.0\.1:\d+ +anna .* 1\/100 +25\.7 KB +25\.7 KB$/m,
        );
        expect(stdout).toMatch(/^ {2}viewer +127\.0\.0\.1:\d+ +- .* 0 skipped; /m);
      },
    });
    await gateway.logged("publish_stop", { name, user: "anna", bytes: 20 * 1_316 });
    await gateway.logged("view_stop", { name, bytes: 20 * 1_316 });
  });

  test("srt-live-transmit is both ends of a session", async () => {
    const meeting = await Meeting.of(gateway, { name: "by-stream-id" });
    try {
      const { session_id, srt_port, client_id, server_id } = await meeting.session("srt");
      const line = (mode: string, user: string) => {
        const flags = ["--mode", mode, "--user", user, "--port", String(srt_port)];
        return printed("srt-live-transmit", session_id, ...flags);
      };
      await transmit({
        publish: await line("publish", client_id),
        read: await line("read", server_id),
      }, { readerIsThere: () => gateway.logged("server_pending", { session_id }) });
      await gateway.logged("session_stop", { session_id });
    } finally {
      await meeting.close();
    }
  });

  describe("a recording, with a key and a passphrase of odd signs,", () => {
    let sent: string[];

    beforeAll(async () => {
      const picture = "testsrc=size=320x240:rate=25";
      const encode = `-t 6 -c:v mpeg2video -b:v 1M -f mpegts INPUT.ts`;
      const made = Program.ofLine(`ffmpeg -nostdin -v error -f lavfi -i ${picture} ${encode}`);
      expect({ code: await made.exited(), stderr: made.stderr }).toEqual({ code: 0, stderr: "" });
      sent = await frames("INPUT.ts");
    });

    /** The checksums of a recording's frames. */
    async function frames(file: string): Promise<string[]> {
      const program = Program.ofLine(
        `ffmpeg -nostdin -v fatal -i ${file} -map 0:v -c copy -f framemd5 -`,
      );
      expect(await program.exited()).toBe(0);
      const lines = program.stdout.split("\n").filter((line) => /^0,/.test(line));
      return lines.map((line) => line.split(",").at(-1)!.trim());
    }

    /** Many of the frames that were sent have arrived, in their order and without a gap. */
    async function arrivedIn(file: string): Promise<void> {
      // Where a recording was cut, the last frame need not be whole.
      const received = (await frames(file)).slice(0, -1);
      expect(received.length).toBeGreaterThanOrEqual(20);
      const first = sent.indexOf(received[0]);
      expect(sent.slice(first, first + received.length)).toEqual(received);
    }

    test("goes from ffmpeg to ffmpeg", async () => {
      const read = await printed("ffmpeg", "odd", "--mode", "read", "--user", "viewer ü");
      const publish = await printed("ffmpeg", "odd", "--mode", "publish");
      // It would look for further tracks for longer than the recording is, and then not end.
      const reader = Program.ofLine(
        read.replace("ffmpeg ", "ffmpeg -nostdin -v error -y -analyzeduration 500000 ")
          .replace(" OUTPUT.ts", " -frames:v 60 ffmpeg.ts"),
      );
      let publisher: Program | null = null;
      try {
        await gateway.logged("viewing", { name: "odd", user: "viewer ü" });
        publisher = Program.ofLine(
          publish.replace("ffmpeg ", "ffmpeg -nostdin -v error ").replace("INPUT", "INPUT.ts"),
        );
        const code = await reader.exited();
        expect({ code, stderr: reader.stderr }).toEqual({ code: 0, stderr: "" });
        expect(await publisher.exited()).toBe(0);
      } finally {
        await reader.end("SIGKILL");
        await publisher?.end("SIGKILL");
      }
      await arrivedIn("ffmpeg.ts");
    });

    test("goes from GStreamer to GStreamer", async () => {
      const read = await printed("GStreamer", "odd", "--mode", "read", "--user", "gst");
      const publish = await printed("GStreamer", "odd", "--mode", "publish", "--latency", "200");
      const reader = Program.ofLine(read.replace("OUTPUT.ts", "gstreamer.ts"));
      let publisher: Program | null = null;
      try {
        await gateway.logged("viewing", { name: "odd", user: "gst" });
        publisher = Program.ofLine(publish);
        const code = await publisher.exited();
        expect({ code, said: publisher.stdout }).toEqual({
          code: 0,
          said: expect.stringContaining("Got EOS"),
        });
        // It writes in large pieces; with the first one there is enough, and SIGINT writes the rest.
        const until = Date.now() + patience_ms;
        while (statSync(join(folder, "gstreamer.ts")).size === 0) {
          if (Date.now() > until) throw new Error(`nothing was written: ${reader.stderr}`);
          await turn();
        }
        await reader.end("SIGINT");
      } finally {
        await reader.end("SIGKILL");
        await publisher?.end("SIGKILL");
      }
      await arrivedIn("gstreamer.ts");
    });

    test("is refused without its key, and the log says why", async () => {
      const line = await printed("ffmpeg", "odd", "--mode", "publish");
      const wrong = line.replace("key=", "key=not-");
      expect(wrong).not.toBe(line);
      const publisher = Program.ofLine(
        wrong.replace("ffmpeg ", "ffmpeg -nostdin -v error ").replace("INPUT", "INPUT.ts"),
      );
      expect(await publisher.exited()).not.toBe(0);
      const { port } = await gateway.logged("stream_denied");
      expect(port).toBe(own_port);
    });
  });
});
