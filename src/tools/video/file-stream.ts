/**
 * The front end's end of one data connection: sends a file in frames at the asked pace, takes the
 * echoes, and finds out whether every byte came back. The file is never in memory as a whole.
 */
import { type FileHandle, open } from "node:fs/promises";
import type { PlaneKind } from "../../data/plane.ts";
import { Bell } from "./bell.ts";
import type { UnixClock } from "./clock.ts";
import { encodeFrame, FRAME_HEADER_BYTES, FRAME_TYPE, payloadCrc, writeHeader } from "./frame.ts";
import type { Pacing } from "./pacing.ts";
import { type Frame, FrameError, FrameParser } from "./parser.ts";
import { Tally, type TransportReport } from "./report.ts";
import type { Transport, TransportError, TransportListener } from "./transport.ts";

/**
 * How long the first ping may stay unanswered before data is sent all the same. The pong says that
 * the back end is there; one that does not know pings would never answer.
 */
const PONG_WAIT_MS = 3000;
/** Without a byte accepted or an echo received for so long, the run has failed. */
const STALL_MS = 15_000;
/** How often a ping follows the last frame over SRT while echoes are waited for. */
const TAIL_PING_MS = 50;
/** How long the orderly end of the connection may take. */
const END_MS = 3000;

export interface FileStreamOptions {
  kind: PlaneKind;
  file: string;
  chunk_bytes: number;
  payload_bytes_max: number;
  /** How long after the last sign of life an echo is still waited for. */
  drain_ms: number;
  keep_samples: boolean;
  pacing: Pacing;
  clock: UnixClock;
  dial: (listener: TransportListener) => Promise<Transport>;
  signal: AbortSignal;
}

export interface FileStreamSnapshot {
  kind: PlaneKind;
  state: "connecting" | "sending" | "draining" | "done";
  sent_bytes: number;
  echo_bytes: number;
  file_bytes: number;
  rtt_ms_p50: number;
}

export class FileStream implements TransportListener {
  readonly #options: FileStreamOptions;
  readonly #parser: FrameParser;
  readonly #tally: Tally;
  readonly #bell = new Bell();
  #state: FileStreamSnapshot["state"] = "connecting";
  #transport: Transport | null = null;
  #fileBytes = 0;
  #blocked = false;
  #ponged = false;
  #closed = false;
  #progress_at_ms = 0;
  #failure: string | null = null;

  constructor(options: FileStreamOptions) {
    this.#options = options;
    this.#parser = new FrameParser({
      payload_bytes_max: options.payload_bytes_max,
      resync: options.kind === "srt",
    });
    this.#tally = new Tally({ started_ns: options.clock.now() });
  }

  snapshot(): FileStreamSnapshot {
    const { sent_bytes, echo_bytes } = this.#tally.snapshot();
    return {
      kind: this.#options.kind,
      state: this.#state,
      sent_bytes,
      echo_bytes,
      file_bytes: this.#fileBytes,
      rtt_ms_p50: this.#tally.rttMedian(),
    };
  }

  /** Runs to the end, whatever that is; the report says how it went. */
  async run(): Promise<TransportReport> {
    const interrupt = () => this.#fail("interrupted");
    this.#options.signal.addEventListener("abort", interrupt);
    try {
      await this.#stream();
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    } finally {
      this.#options.signal.removeEventListener("abort", interrupt);
    }
    await this.#end();
    this.#state = "done";
    const { corrupt_frames, skipped_bytes } = this.#parser.snapshot();
    return this.#tally.report({
      transport: this.#options.kind,
      file: this.#options.file,
      finished_ns: this.#options.clock.now(),
      corrupt_frames,
      skipped_bytes,
      error: this.#failure,
      line: this.#transport?.line() ?? null,
      keep_samples: this.#options.keep_samples,
    });
  }

  onOpen(transport: Transport): void {
    this.#transport = transport;
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#failure !== null) return;
    try {
      this.#parser.push(bytes, (frame) => this.#hear(frame));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#fail(`${error.code}: ${error.message}`);
    }
  }

  onDrain(): void {
    this.#blocked = false;
    this.#alive();
  }

  onEnd(): void {
    if (this.#state !== "done") this.#over("the other end finished");
  }

  onClose(error: TransportError | null): void {
    this.#closed = true;
    this.#over(error === null ? "the connection ended" : `the connection broke: ${error.message}`);
  }

  async #stream(): Promise<void> {
    const { dial, file, kind, drain_ms } = this.#options;
    const handle = await open(file, "r");
    try {
      this.#fileBytes = (await handle.stat()).size;
      if (this.#fileBytes === 0) throw new Error(`${file} is empty; there is nothing to verify`);
      const transport = await dial(this).catch((error: Error) => {
        throw new Error(`cannot connect to the granted ${kind} port: ${error.message}`);
      });
      this.#ping();
      this.#alive();
      await this.#until(() => this.#ponged, PONG_WAIT_MS);
      this.#state = "sending";
      await this.#sendFile(transport, handle);
    } finally {
      await handle.close();
    }
    if (this.#failure !== null) return;
    this.#state = "draining";
    // An echo restarts the wait: a long way home is no loss as long as something comes.
    // Live mode notices a lost packet by the next one, and behind the last frame there is none.
    const talking = kind === "srt" ? setInterval(() => this.#ping(), TAIL_PING_MS) : undefined;
    await this.#until(() => this.#complete(), drain_ms);
    clearInterval(talking);
    if (this.#failure === null && !this.#complete()) {
      const { sent_frames, echo_frames } = this.#tally.snapshot();
      this.#fail(
        `${echo_frames} of ${sent_frames} frames came back, and none more for ${drain_ms} ms`,
      );
    }
  }

  async #sendFile(transport: Transport, handle: FileHandle): Promise<void> {
    const { chunk_bytes, pacing, clock } = this.#options;
    this.#alive();
    let at = 0;
    for (let seq = 0n; this.#failure === null && at < this.#fileBytes; seq++) {
      // A fresh buffer each time: the transport may still be sending the last one.
      const length = Math.min(chunk_bytes, this.#fileBytes - at);
      const frame = new Uint8Array(FRAME_HEADER_BYTES + length);
      const payload = frame.subarray(FRAME_HEADER_BYTES);
      await readFully(handle, payload, at);
      at += length;
      if (pacing.drops()) {
        this.#tally.dropped();
        continue;
      }
      const crc32 = payloadCrc(payload);
      await this.#pause(pacing.waitBefore(length));
      if (this.#failure !== null) return;
      const now_ns = clock.now();
      this.#tally.sent(payload, now_ns);
      writeHeader(frame, {
        type: FRAME_TYPE.data,
        seq,
        sent_unix_ns: now_ns,
        server_recv_unix_ns: 0n,
        server_send_unix_ns: 0n,
        crc32,
        payload_len: length,
      });
      this.#blocked = !transport.write(frame);
      if (this.#blocked) {
        await this.#until(() => !this.#blocked, STALL_MS);
        if (this.#blocked && this.#failure === null) {
          this.#fail(`nothing was taken and nothing came back for ${STALL_MS} ms`);
        }
      }
      this.#tally.accepted(clock.now());
      this.#alive();
    }
  }

  #ping(): void {
    this.#transport?.write(encodeFrame({
      type: FRAME_TYPE.ping,
      seq: 0n,
      sent_unix_ns: this.#options.clock.now(),
      server_recv_unix_ns: 0n,
      server_send_unix_ns: 0n,
      crc32: 0,
    }, new Uint8Array(0)));
  }

  #hear(frame: Frame): void {
    if (frame.type === FRAME_TYPE.pong) {
      this.#ponged = true;
      this.#bell.ring();
    } else if (frame.type === FRAME_TYPE.echo) {
      this.#tally.echoed(frame, this.#options.clock.now());
      this.#alive();
    }
  }

  #complete(): boolean {
    const { sent_frames, echo_frames } = this.#tally.snapshot();
    return echo_frames >= sent_frames;
  }

  /** The peer's end is a failure unless everything had come back by then. */
  #over(what: string): void {
    this.#bell.ring();
    if (this.#state === "draining" && this.#complete()) return;
    if (this.#state === "done") return;
    const { sent_frames, echo_frames } = this.#tally.snapshot();
    this.#fail(`${what} when ${echo_frames} of ${sent_frames} sent frames had come back`);
  }

  #fail(reason: string): void {
    this.#failure ??= reason;
    this.#bell.ring();
  }

  #alive(): void {
    this.#progress_at_ms = performance.now();
    this.#bell.ring();
  }

  #idleMs(): number {
    return performance.now() - this.#progress_at_ms;
  }

  /**
   * Waits until it is so or the run has failed, but no longer than `patience_ms`, counted from the
   * last sign of life.
   */
  async #until(so: () => boolean, patience_ms: number): Promise<void> {
    for (;;) {
      const left = patience_ms - this.#idleMs();
      if (so() || this.#failure !== null || left <= 0) return;
      await this.#bell.wait(left);
    }
  }

  async #pause(wait_ms: number): Promise<void> {
    const until = performance.now() + wait_ms;
    for (;;) {
      const left = until - performance.now();
      // A timer's grain is a millisecond; what is shorter is not worth one.
      if (left < 1 || this.#failure !== null) return;
      await this.#bell.wait(left);
    }
  }

  /** Ends the connection in order after a success, at once after a failure. */
  async #end(): Promise<void> {
    const transport = this.#transport;
    if (transport === null || this.#closed) return;
    if (this.#failure === null) {
      this.#state = "done";
      transport.finish();
      await this.#untilClosed(END_MS);
    }
    if (!this.#closed) {
      transport.abort();
      await this.#untilClosed(END_MS);
    }
  }

  async #untilClosed(within_ms: number): Promise<void> {
    const until = performance.now() + within_ms;
    for (;;) {
      const left = until - performance.now();
      if (this.#closed || left <= 0) return;
      await this.#bell.wait(left);
    }
  }
}

/** A file may shrink while it is read; half a frame is not sent then. */
async function readFully(handle: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let fill = 0; fill < into.length;) {
    const { bytesRead } = await handle.read(into, fill, into.length - fill, position + fill);
    if (bytesRead === 0) throw new Error(`the file ended at ${position + fill} bytes while read`);
    fill += bytesRead;
  }
}
