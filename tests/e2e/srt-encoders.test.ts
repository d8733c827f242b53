/**
 * Encoders and players that know nothing of relayx, with named streams and in sessions: ffmpeg,
 * GStreamer and srt-live-transmit, as distributions ship them. What proves a stream is the digest of each frame as
 * it was encoded (ffmpeg's framemd5), which no remultiplexing on the way may change.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Buffer } from "node:buffer";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import dgram from "node:dgram";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { patience_ms, turn, within } from "../harness/deadline.ts";
import { claimPorts, type PortBlock } from "../harness/free-ports.ts";
import { GatewayProcess, type LogLine } from "../harness/gateway-process.ts";
import { Inbox } from "../harness/inbox.ts";
import { Meeting } from "../harness/meeting.ts";
import { announcedRandom } from "../harness/random.ts";
import { SrtThread } from "../harness/srt-end.ts";
import { joinSrtAs } from "../harness/srt-meeting.ts";
import type { Grant } from "../harness/v4-client.ts";

/** Longer than any single wait, so that a failure says what it waited for. */
setDefaultTimeout(90_000);

const has = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
const has_ffmpeg = has("ffmpeg", "-hide_banner", "-h", "protocol=srt");
const has_gstreamer = has("gst-inspect-1.0", "--exists", "srtsrc");
const has_live_transmit = spawnSync("srt-live-transmit", ["-version"]).error === undefined;

const source_s = 6;
const frames_per_s = 25;
/** How much faster than its own time the source is sent where the time is not what matters. */
const hurry = 3;
/** Between ten datagrams, which a UDP buffer holds many times over. */
const pause_ms = 10;
/** A busy machine stalls for longer than the default 120 ms, and live mode drops then. */
const latency_ms = 800;
/** ffmpeg reads the latency in microseconds. */
const ffmpeg_latency = ["-latency", String(1000 * latency_ms)];
/**
 * In a transport stream a frame ends where the next one begins, so a reader whose stream has not
 * ended keeps the last frame to itself, and its parser one more.
 */
const frames_kept_max = 2;
/** What most senders of the field put into one message, bytes. */
const usual_message_bytes = 1316;
/** The longest of live mode: an Ethernet frame less all headers. */
const message_bytes_max = 1456;

type SrtGrant = Grant & { srt_passphrase?: string };

/** A program that is not ours, and the lines it writes. */
class Program {
  readonly lines = new Inbox<string>();
  readonly pid: number;
  stderr = "";
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #gone: Promise<number | null>;

  constructor(command: string, args: string[]) {
    this.#name = command;
    this.#child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
    this.pid = this.#child.pid!;
    let tail = "";
    this.#child.stdout!.on("data", (bytes: Buffer) => {
      const lines = (tail + bytes.toString("latin1")).split("\n");
      tail = lines.pop()!;
      for (const line of lines) this.lines.push(line);
    });
    this.#child.stderr!.on("data", (text: Buffer) => {
      this.stderr = (this.stderr + text.toString()).slice(-4_096);
    });
    this.#gone = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", (code) => {
        this.lines.end(new Error(`${command} ended with ${code}: ${this.stderr}`));
        resolve(code);
      });
    });
    this.#gone.catch(() => {});
  }

  signal(name: "SIGSTOP" | "SIGCONT" | "SIGTERM" | "SIGKILL"): void {
    this.#child.kill(name);
  }

  exited(ms = 40_000): Promise<number | null> {
    return within(`the end of ${this.#name}`, this.#gone, ms);
  }

  /** Ends it in order, so that it takes leave of its peer. */
  async end(): Promise<void> {
    // At its first signal ffmpeg waits for the packet it is reading, at the second it breaks off.
    for (let tries = 0; tries < 2; tries++) {
      this.signal("SIGTERM");
      if (await this.exited(500).then(() => true, () => false)) return;
    }
    await this.exited(2_000).catch(() => this.signal("SIGKILL"));
    await this.exited();
  }
}

/** ffmpeg writing each frame's digest, and those it has written so far. */
class FrameReader extends Program {
  readonly frames: string[] = [];

  constructor(input: string[]) {
    super("ffmpeg", [
      ...["-hide_banner", "-v", "error", "-nostdin"],
      // Enough to find one video stream; by default it listens for five seconds first.
      ...["-probesize", "300000", "-analyzeduration", "1000000"],
      ...input,
      ...["-map", "0:v", "-c", "copy", "-flush_packets", "1", "-f", "framemd5", "pipe:1"],
    ]);
  }

  /** Reads on until the stream is over and the program has ended by itself. */
  async untilItsEnd(): Promise<void> {
    expect(await this.exited()).toBe(0);
    this.frames.push(
      ...this.lines.items.splice(0).map(digestOf).filter((frame) => frame !== null),
    );
  }

  /** Reads on until `enough` says so of all frames so far. */
  async until(label: string, enough: (frames: readonly string[]) => boolean): Promise<void> {
    while (!enough(this.frames)) {
      const line = await this.lines.take(
        `${label}; ${this.frames.length} frames are here`,
        () => true,
        20_000,
      );
      const frame = digestOf(line);
      if (frame) this.frames.push(frame);
    }
  }
}

/** `stream, dts, pts, duration, bytes, digest, …`: the digest, or null where it is a comment. */
function digestOf(line: string): string | null {
  return line.startsWith("#") ? null : line.split(",")[5]?.trim() ?? null;
}

function framesOf(file: string): string[] {
  const args = ["-v", "error", "-i", file, "-map", "0:v", "-c", "copy", "-f", "framemd5", "-"];
  const { stdout } = spawnSync("ffmpeg", args, { maxBuffer: 64 * 1024 * 1024 });
  return stdout.toString().split("\n").map(digestOf).filter((frame) => frame !== null);
}

/** Whether `run` stands somewhere in `frames`, in one piece. */
function hasRun(frames: readonly string[], run: readonly string[]): boolean {
  return frames.some((_, at) => run.every((frame, i) => frames[at + i] === frame));
}

describe.skipIf(!has_ffmpeg)("programs of others", () => {
  const passphrase = "correct horse";
  let folder: string;
  let source: string;
  let source_frames: string[];
  let block: PortBlock;
  let gateway: GatewayProcess;
  let shared_port: number;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "relayx-encoders-"));
    source = join(folder, "source.ts");
    const made = spawnSync("ffmpeg", [
      ...["-v", "error", "-f", "lavfi", "-i", `testsrc=size=320x240:rate=${frames_per_s}`],
      ...["-t", String(source_s), "-c:v", "mpeg2video", "-g", "12", "-b:v", "1500k"],
      ...["-f", "mpegts", source],
    ]);
    expect(made.stderr.toString()).toBe("");
    source_frames = framesOf(source);
    expect(source_frames).toHaveLength(source_s * frames_per_s);
    block = await claimPorts({ tcp_ports: 1, srt_ports: 1 });
    shared_port = block.srt.first;
    gateway = await GatewayProcess.start({
      settings: {
        // A publisher that dies without a word is missed after this, not after 8 s.
        gosrt: { shared_port: String(shared_port), peer_idle_timeout: "2500ms" },
        // All on the one port, and a passphrase for one of them.
        streams: { cam: {}, stopped: {}, dying: {}, udp: {}, vault: { passphrase } },
      },
    });
  });
  afterAll(async () => {
    await gateway.stop();
    await block.release();
    rmSync(folder, { recursive: true, force: true });
  });

  function address(port = shared_port): string {
    return `srt://127.0.0.1:${port}`;
  }

  /** What ffmpeg says before an address to come to a stream. */
  function ffmpegTo(name: string, m: "publish" | "request", more: string[] = []): string[] {
    return ["-srt_streamid", `#!::r=${name},m=${m}`, ...ffmpeg_latency, ...more];
  }

  /** What ffmpeg says to send the source once, so many times faster than its own time. */
  function sourceAt(rate: number): string[] {
    return [
      ...["-hide_banner", "-v", "error", "-nostdin", "-readrate", String(rate), "-i", source],
      ...["-c", "copy", "-f", "mpegts", "-pkt_size", String(usual_message_bytes)],
    ];
  }

  function publish(
    name: string,
    { more, rate = hurry }: { more?: string[]; rate?: number } = {},
  ): Program {
    return new Program("ffmpeg", [
      ...sourceAt(rate),
      ...ffmpegTo(name, "publish", more),
      address(),
    ]);
  }

  function read(name: string, { more }: { more?: string[] } = {}): FrameReader {
    return new FrameReader([...ffmpegTo(name, "request", more), "-i", address()]);
  }

  function viewing(name: string, count: number): Promise<void> {
    return counted("viewing", name, count);
  }

  /** So many lines of a kind have been written about a stream. */
  async function counted(status: string, name: string, count: number): Promise<void> {
    const seen: LogLine[] = [];
    await gateway.log.see(`${count} times ${status} of ${name}`, (line) => {
      if (line.status === status && line.name === name && !seen.includes(line)) seen.push(line);
      return seen.length >= count;
    });
  }

  /** Ends the programs, and waits until the gateway has seen so many viewers of a stream go. */
  async function endAll(name: string, viewers: Program[]): Promise<void> {
    await Promise.all(viewers.map((viewer) => viewer.end()));
    await counted("view_stop", name, viewers.length);
  }

  /** All but what a reader keeps to itself until the stream ends. */
  const all_seen = () => source_frames.slice(0, -frames_kept_max);

  test("ffmpeg publishes, ffmpeg and GStreamer view: each frame is what was encoded", async () => {
    const recorded = join(folder, "gstreamer.ts");
    const readers = [read("cam"), read("cam")];
    const player = has_gstreamer
      ? new Program("gst-launch-1.0", [
        ...["-q", "srtsrc", `uri=${address()}`, "streamid=#!::r=cam,m=request"],
        ...[`latency=${latency_ms}`, "!", "filesink", `location=${recorded}`, "buffer-mode=2"],
      ])
      : null;
    const viewers = player ? [...readers, player] : readers;
    try {
      await viewing("cam", viewers.length);
      const publisher = publish("cam");
      await gateway.logged("publishing", { name: "cam" });
      await Promise.all(
        readers.map((reader) =>
          reader.until("all frames", (frames) => frames.length >= all_seen().length)
        ),
      );
      expect(await publisher.exited()).toBe(0);
      const { bytes, reason } = await gateway.logged("publish_stop", { name: "cam" });
      expect(reason).toBe("left");
      // Who was there before the publisher has the first frame, and every one behind it.
      for (const { frames } of readers) {
        expect(frames).toEqual(source_frames.slice(0, frames.length));
      }
      if (player) {
        // A recording has an end, so its last frame is whole as well.
        await fileHas(recorded, bytes as number);
        expect(framesOf(recorded)).toEqual(source_frames);
      }
    } finally {
      await endAll("cam", viewers);
    }
    for (const line of gateway.linesOf("view_stop", { name: "cam" })) {
      expect(line).toMatchObject({ reason: "left", skipped: 0 });
    }
    expect(gateway.linesOf("bottleneck", { name: "cam" })).toEqual([]);
  });

  /** Resolves when the file has so many bytes; nothing tells of each but the file itself. */
  async function fileHas(file: string, bytes: number): Promise<void> {
    const until_ms = performance.now() + patience_ms;
    while (statSync(file).size < bytes) {
      if (performance.now() > until_ms) {
        throw new Error(`${file} has ${statSync(file).size} bytes, not ${bytes}`);
      }
      await turn();
    }
    expect(statSync(file).size).toBe(bytes);
  }

  test("a viewer that is stopped for a while goes on, and the others miss nothing", async () => {
    const readers = [read("stopped"), read("stopped")];
    const stopped = read("stopped");
    try {
      await viewing("stopped", 3);
      const publisher = publish("stopped", { rate: 1 });
      await stopped.until("a second of frames", (frames) => frames.length >= frames_per_s);
      stopped.signal("SIGSTOP");
      const before = readers[0].frames.length;
      await readers[0].until(
        "two seconds more",
        (frames) => frames.length >= before + 2 * frames_per_s,
      );
      stopped.signal("SIGCONT");
      for (const reader of readers) {
        await reader.until("all frames", (frames) => frames.length >= all_seen().length);
        expect(reader.frames).toEqual(source_frames.slice(0, reader.frames.length));
      }
      // What it has missed is missing; it is with the others again before the end.
      const last = source_frames.slice(-frames_kept_max - 5, -frames_kept_max);
      await stopped.until("the last frames", (frames) => hasRun(frames, last));
      expect(stopped.frames.slice(0, frames_per_s)).toEqual(source_frames.slice(0, frames_per_s));
      expect(await publisher.exited()).toBe(0);
    } finally {
      stopped.signal("SIGCONT");
      await endAll("stopped", [...readers, stopped]);
    }
  });

  test("a publisher is killed and comes back; the viewers stay", async () => {
    const readers = [read("dying"), read("dying")];
    try {
      await viewing("dying", 2);
      // Slow enough to be in the middle of it when its first seconds have been seen.
      const first = publish("dying", { rate: 1 });
      await Promise.all(
        readers.map((reader) =>
          reader.until("two seconds", (frames) => frames.length >= 2 * frames_per_s)
        ),
      );
      first.signal("SIGKILL");
      expect(await gateway.logged("publish_stop", { name: "dying" })).toMatchObject({
        reason: "left",
      });
      expect(gateway.linesOf("view_stop", { name: "dying" })).toEqual([]);
      const second = publish("dying");
      await counted("publishing", "dying", 2);
      for (const reader of readers) {
        const begun = reader.frames.length;
        // Where the first was cut off in the middle of a frame, one frame may be neither's.
        await reader.until(
          "the second publisher's frames",
          (frames) => frames.length > begun && hasRun(frames, all_seen()),
        );
        const cut = reader.frames.findIndex((frame, at) => frame !== source_frames[at]);
        expect(cut).toBeGreaterThanOrEqual(2 * frames_per_s);
      }
      expect(await second.exited()).toBe(0);
      expect(gateway.linesOf("view_stop", { name: "dying" })).toEqual([]);
    } finally {
      await endAll("dying", readers);
    }
  });

  describe("with a passphrase", () => {
    async function refused(begin: () => Program): Promise<void> {
      const wanted = { name: "vault", port: shared_port };
      const before = new Set(gateway.linesOf("encryption_error", wanted));
      const program = begin();
      expect(await program.exited()).not.toBe(0);
      await gateway.log.see(
        "a refusal for the passphrase",
        (line) =>
          line.status === "encryption_error" && line.name === wanted.name && !before.has(line),
      );
    }

    test("the right one opens, a wrong one and none do not", async () => {
      const secret = ["-passphrase", passphrase];
      const reader = read("vault", { more: secret });
      try {
        await viewing("vault", 1);
        for (const more of [["-passphrase", "wrong horse"], []]) {
          await refused(() => publish("vault", { more }));
          await refused(() => read("vault", { more }));
        }
        expect(gateway.linesOf("publishing", { name: "vault" })).toEqual([]);
        const publisher = publish("vault", { more: secret });
        await gateway.logged("publishing", { name: "vault" });
        await reader.until("all frames", (frames) => frames.length >= all_seen().length);
        expect(reader.frames).toEqual(source_frames.slice(0, reader.frames.length));
        expect(await publisher.exited()).toBe(0);
      } finally {
        await endAll("vault", [reader]);
      }
      expect(JSON.stringify(gateway.log.items)).not.toContain("horse");
    });
  });

  describe("in a session", () => {
    let meeting: Meeting;
    beforeAll(async () => {
      meeting = await Meeting.of(gateway, { name: "encoders" });
    });
    afterAll(() => meeting.close());

    /** Asks for a session with these wishes. */
    async function granted(srt: Record<string, unknown>): Promise<SrtGrant> {
      const { client, server } = meeting;
      const request_id = client.ask({ server_id: server.id, need_srt: true, qos: { srt } });
      const [grant, theirs] = await Promise.all([
        client.granted(request_id),
        server.granted(request_id),
      ]);
      expect(theirs).toEqual(grant);
      return grant;
    }

    test("both ends are ffmpeg, by stream id, with the passphrase of the grant", async () => {
      const grant = await granted({ encrypt: true });
      const { session_id, client_id, server_id, srt_port: port, srt_passphrase = "" } = grant;
      expect(srt_passphrase).toMatch(/^[0-9a-f]{32}$/);
      const as = (u: string, m: "publish" | "request", passphrase: string[]) => [
        ...["-srt_streamid", `#!::s=${session_id},u=${u},m=${m}`],
        ...ffmpeg_latency,
        ...passphrase,
      ];
      const front = (passphrase: string[]) =>
        new Program("ffmpeg", [
          ...sourceAt(hurry),
          ...as(client_id, "publish", passphrase),
          // Without it libsrt throws away what it has not sent yet when ffmpeg closes.
          ...["-linger", "1"],
          address(port),
        ]);
      const right = ["-passphrase", srt_passphrase];
      const reader = new FrameReader([...as(server_id, "request", right), "-i", address(port)]);
      try {
        await gateway.logged("server_pending", { session_id });
        for (const wrong of [["-passphrase", "wrong horse"], []]) {
          expect(await front(wrong).exited()).not.toBe(0);
          await gateway.takeLogged("encryption_error", { session_id });
        }
        const publisher = front(right);
        await gateway.logged("paired", { session_id });
        // A session ends with either end, so the reader hears of its end and has the last frame.
        expect(await publisher.exited()).toBe(0);
        await reader.untilItsEnd();
        expect(reader.frames).toEqual(source_frames);
        const { bytes_up, bytes_down } = await gateway.logged("session_stop", { session_id });
        expect(bytes_up).toBeGreaterThan(0);
        expect(bytes_down).toBe(0);
      } finally {
        await reader.end();
      }
      expect(JSON.stringify(gateway.log.items)).not.toContain(srt_passphrase);
    });

    test("a stream of bytes, with a reader that pauses", async () => {
      const grant = await granted({ transtype: "file" });
      const { session_id } = grant;
      const thread = await SrtThread.start();
      try {
        const manner = { transtype: "file", quiet: true } as const;
        const server = await joinSrtAs(thread, grant, "server", manner);
        await gateway.logged("server_pending", { session_id });
        const client = await joinSrtAs(thread, grant, "client", manner);
        await gateway.logged("paired", { session_id });
        server.pause();
        // More than the gateway's buffers and those of both ends hold.
        const pieces = { messages: 2_000, message_bytes: 60_000, mbps: 0 };
        const pouring = client.pour(pieces);
        server.send("taken while nothing is read");
        await client.reached(27);
        server.resume();
        const arrived = await server.reached(pieces.messages * pieces.message_bytes, 60_000);
        expect(arrived.sha256).toBe(await pouring);
        await client.close();
        await server.closed();
        expect(await gateway.logged("session_stop", { session_id })).toMatchObject({
          bytes_up: pieces.messages * pieces.message_bytes,
          bytes_down: 27,
        });
      } finally {
        await thread.close();
      }
    });
  });

  describe.skipIf(!has_live_transmit)("with srt-live-transmit", () => {
    test("it publishes and views, every datagram a message", async () => {
      const random = announcedRandom("srt-live-transmit and a stream");
      // Numbers of the gateway's TCP ports are free on UDP, as those of its SRT ports are on TCP.
      const [to_publisher, from_viewer] = [gateway.control_port, gateway.ports.tcp.first];
      const udp = dgram.createSocket("udp4");
      const datagrams = new Inbox<Buffer>();
      udp.on("message", (datagram: Buffer) => datagrams.push(datagram));
      await new Promise<void>((resolve) => udp.bind(from_viewer, "127.0.0.1", resolve));
      const transmit = (from: string, to: string) =>
        new Program("srt-live-transmit", [
          ...["-q", "-loglevel:fatal", `-chunk:${message_bytes_max}`, from, to],
        ]);
      const stream = (id: string) =>
        `${address()}?mode=caller&latency=${latency_ms}&streamid=${id}`;
      const viewer = transmit(stream("read:udp"), `udp://127.0.0.1:${from_viewer}`);
      let publisher: Program | null = null;
      try {
        await viewing("udp", 1);
        publisher = transmit(`udp://127.0.0.1:${to_publisher}`, stream("publish:udp"));
        await gateway.logged("publishing", { name: "udp" });
        const lengths = [1, 188, usual_message_bytes, message_bytes_max];
        const sent = Array.from({ length: 8 * 50 }, (_, at) => random.bytes(lengths[at % 4]));
        for (const [at, message] of sent.entries()) {
          await new Promise((resolve) => udp.send(message, to_publisher, "127.0.0.1", resolve));
          // Few enough at a time for the UDP buffers on both sides.
          if (at % 10 === 9) await new Promise((resolve) => setTimeout(resolve, pause_ms));
        }
        for (const expected of sent) {
          const datagram = await datagrams.take("a datagram", () => true);
          expect(datagram.toString("hex")).toBe(expected.toString("hex"));
        }
      } finally {
        await publisher?.end();
        await endAll("udp", [viewer]);
        udp.close();
      }
      expect(gateway.linesOf("view_stop", { name: "udp" })[0]).toMatchObject({ skipped: 0 });
    });
  });
});
