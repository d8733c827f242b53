/** What a front end found out about one transport, in the fields of the original tools and ours. */
import { createHash, type Hash } from "node:crypto";
import { nsToMs } from "./clock.ts";
import { Samples } from "./samples.ts";
import type { LineStats } from "./transport.ts";

export interface TransportReport {
  transport: "zmq" | "srt";
  file: string;
  /** Exact to a quarter of a microsecond, as JSON numbers are doubles. */
  started_at_unix_ns: number;
  finished_at_unix_ns: number;
  sent_frames: number;
  /** Payload bytes, headers not counted; likewise below. */
  sent_bytes: number;
  echo_frames: number;
  echo_bytes: number;
  rtt_ms_p50: number;
  rtt_ms_p95: number;
  rtt_ms_p99: number;
  rtt_ms_max: number;
  rtt_ms_avg: number;
  rtt_ms_std: number;
  server_proc_ms_p50: number;
  server_proc_ms_p95: number;
  server_proc_ms_p99: number;
  goodput_mbps_up: number;
  goodput_mbps_down: number;
  sha256_sent: string;
  sha256_echoed: string;
  /** All that was to be sent was sent and came back, in order, byte for byte. */
  bytes_equal: boolean;
  /** Frames left out on purpose, see `--drop_pct`. */
  dropped_frames: number;
  /** Echoes that had another checksum than their header says. */
  corrupt_frames: number;
  /** Bytes passed over to find the next frame after a loss. */
  skipped_bytes: number;
  /** Why the run of this transport failed, or null. */
  error: string | null;
  srt_loss_packets?: number;
  srt_retransmitted_packets?: number;
  srt_dropped_packets?: number;
  srt_rtt_ms?: number;
  /** Every round trip, milliseconds, with `--keep_samples`. */
  rtt_ms_samples?: readonly number[];
}

/** The figures of one transport while they come in. */
export class Tally {
  readonly #sentHash: Hash = createHash("sha256");
  readonly #echoHash: Hash = createHash("sha256");
  readonly #rtt = new Samples();
  readonly #proc = new Samples();
  readonly #started_ns: bigint;
  #first_sent_ns: bigint | null = null;
  #last_sent_ns = 0n;
  #first_echo_ns: bigint | null = null;
  #first_echo_bytes = 0;
  #last_echo_ns = 0n;
  #last_echo_seq = -1n;
  #inOrder = true;
  #sentFrames = 0;
  #sentBytes = 0;
  #echoFrames = 0;
  #echoBytes = 0;
  #dropped = 0;

  constructor(options: { started_ns: bigint }) {
    this.#started_ns = options.started_ns;
  }

  sent(payload: Uint8Array, now_ns: bigint): void {
    this.#first_sent_ns ??= now_ns;
    this.#sentHash.update(payload);
    this.#sentFrames += 1;
    this.#sentBytes += payload.length;
  }

  /** The transport has taken everything sent so far. */
  accepted(now_ns: bigint): void {
    this.#last_sent_ns = now_ns;
  }

  dropped(): void {
    this.#dropped += 1;
  }

  echoed(
    echo: {
      seq: bigint;
      sent_unix_ns: bigint;
      server_recv_unix_ns: bigint;
      server_send_unix_ns: bigint;
      payload: Uint8Array;
    },
    now_ns: bigint,
  ): void {
    if (echo.seq <= this.#last_echo_seq) this.#inOrder = false;
    this.#last_echo_seq = echo.seq;
    if (this.#first_echo_ns === null) {
      this.#first_echo_ns = now_ns;
      this.#first_echo_bytes = echo.payload.length;
    }
    this.#last_echo_ns = now_ns;
    this.#echoFrames += 1;
    this.#echoBytes += echo.payload.length;
    this.#echoHash.update(echo.payload);
    this.#rtt.add(nsToMs(now_ns - echo.sent_unix_ns));
    this.#proc.add(nsToMs(echo.server_send_unix_ns - echo.server_recv_unix_ns));
  }

  snapshot(): { sent_frames: number; sent_bytes: number; echo_frames: number; echo_bytes: number } {
    return {
      sent_frames: this.#sentFrames,
      sent_bytes: this.#sentBytes,
      echo_frames: this.#echoFrames,
      echo_bytes: this.#echoBytes,
    };
  }

  /** Round trips so far: the median, for the progress line. */
  rttMedian(): number {
    return this.#rtt.percentiles(50)[0];
  }

  report(end: {
    transport: "zmq" | "srt";
    file: string;
    finished_ns: bigint;
    corrupt_frames: number;
    skipped_bytes: number;
    error: string | null;
    line: LineStats | null;
    keep_samples: boolean;
  }): TransportReport {
    const [rtt_ms_p50, rtt_ms_p95, rtt_ms_p99] = this.#rtt.percentiles(50, 95, 99);
    const [server_proc_ms_p50, server_proc_ms_p95, server_proc_ms_p99] = this.#proc.percentiles(
      50,
      95,
      99,
    );
    const rtt = this.#rtt.summary();
    const sha256_sent = this.#sentHash.copy().digest("hex");
    const sha256_echoed = this.#echoHash.copy().digest("hex");
    return {
      transport: end.transport,
      file: end.file,
      started_at_unix_ns: Number(this.#started_ns),
      finished_at_unix_ns: Number(end.finished_ns),
      ...this.snapshot(),
      rtt_ms_p50,
      rtt_ms_p95,
      rtt_ms_p99,
      rtt_ms_max: rtt.max,
      rtt_ms_avg: rtt.avg,
      rtt_ms_std: rtt.std,
      server_proc_ms_p50,
      server_proc_ms_p95,
      server_proc_ms_p99,
      goodput_mbps_up: mbps(this.#sentBytes, this.#first_sent_ns, this.#last_sent_ns),
      goodput_mbps_down: mbps(
        // From the first echo on: the time it was on its way is the round trip, not the rate.
        this.#echoBytes - this.#first_echo_bytes,
        this.#first_echo_ns,
        this.#last_echo_ns,
      ),
      sha256_sent,
      sha256_echoed,
      bytes_equal: end.error === null && sha256_sent === sha256_echoed &&
        this.#sentBytes === this.#echoBytes &&
        this.#sentFrames === this.#echoFrames && this.#inOrder && end.corrupt_frames === 0,
      dropped_frames: this.#dropped,
      corrupt_frames: end.corrupt_frames,
      skipped_bytes: end.skipped_bytes,
      error: end.error,
      ...(end.line === null ? {} : {
        srt_loss_packets: end.line.loss_packets,
        srt_retransmitted_packets: end.line.retransmitted_packets,
        srt_dropped_packets: end.line.dropped_packets,
        srt_rtt_ms: end.line.rtt_ms,
      }),
      ...(end.keep_samples ? { rtt_ms_samples: this.#rtt.values() } : {}),
    };
  }
}

/** Bits in a span of time, in millions a second. */
function mbps(bytes: number, from_ns: bigint | null, until_ns: bigint): number {
  if (from_ns === null || until_ns <= from_ns) return 0;
  return (bytes * 8) / (nsToMs(until_ns - from_ns) * 1000);
}
