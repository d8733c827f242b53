/** One line a second about a run: rewritten in place on a terminal, one after another elsewhere. */
import type { FileStreamSnapshot } from "./file-stream.ts";

const INTERVAL_MS = 1000;

export interface ProgressOptions {
  streams: readonly { snapshot(): FileStreamSnapshot }[];
  /** Rewrite the line instead of adding one. */
  rewrite: boolean;
  write: (text: string) => void;
}

export class Progress {
  readonly #options: ProgressOptions;
  #timer: ReturnType<typeof setInterval> | undefined;
  #last: number[] = [];
  #shown = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  start(): void {
    this.#timer = setInterval(() => this.#show(), INTERVAL_MS);
  }

  close(): void {
    clearInterval(this.#timer);
    if (this.#shown && this.#options.rewrite) this.#options.write("\n");
  }

  #show(): void {
    const parts = this.#options.streams.map((stream, index) => {
      const now = stream.snapshot();
      const mbps = ((now.echo_bytes - (this.#last[index] ?? 0)) * 8) / (INTERVAL_MS * 1000);
      this.#last[index] = now.echo_bytes;
      return progressText(now, mbps);
    });
    const line = parts.join(" | ");
    this.#options.write(this.#options.rewrite ? `\r${line}\x1b[K` : `${line}\n`);
    this.#shown = true;
  }
}

/** `srt sending 12.5/50.0 MB, echoed 12.1 MB, 80.2 Mbit/s, rtt 241.0 ms` */
export function progressText(now: FileStreamSnapshot, mbps: number): string {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  return `${now.kind} ${now.state} ${megabytes(now.sent_bytes)}/${megabytes(now.file_bytes)} MB, ` +
    `echoed ${megabytes(now.echo_bytes)} MB, ${mbps.toFixed(1)} Mbit/s, ` +
    `rtt ${now.rtt_ms_p50.toFixed(1)} ms`;
}
