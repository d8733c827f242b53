/**
 * `srt-live-transmit` from the distribution's srt-tools as an end that nobody here has written. It
 * sends each UDP datagram that it receives as one SRT message.
 */
import type { Buffer } from "node:buffer";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import dgram from "node:dgram";
import { deferred, within } from "./deadline.ts";

export const has_live_transmit = spawnSync("srt-live-transmit", ["-version"]).error === undefined;

export class LiveTransmit {
  readonly #child: ChildProcess;
  readonly #udp = dgram.createSocket("udp4");
  readonly #udp_port: number;
  readonly #gone = deferred<void>();
  readonly #connected = deferred<void>();

  constructor({ udp_port, srt_port }: { udp_port: number; srt_port: number }) {
    this.#udp_port = udp_port;
    this.#child = spawn("srt-live-transmit", [
      "-v",
      "-chunk:1456",
      `udp://127.0.0.1:${udp_port}`,
      `srt://127.0.0.1:${srt_port}?mode=caller&latency=400`,
    ], { stdio: ["ignore", "pipe", "pipe"] });
    const listen = (text: Buffer) => {
      // What comes in before this line would be thrown away by it.
      if (text.toString().includes("SRT target connected")) this.#connected.resolve();
    };
    this.#child.stdout!.on("data", listen);
    this.#child.stderr!.on("data", listen);
    this.#child.once("close", () => {
      this.#connected.reject(new Error("srt-live-transmit ended before it was connected"));
      this.#gone.resolve();
    });
  }

  connected(): Promise<void> {
    return within("srt-live-transmit: connect", this.#connected.promise);
  }

  /** One datagram, one message. */
  send(message: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#udp.send(
        message,
        this.#udp_port,
        "127.0.0.1",
        (error) => error ? reject(error) : resolve(),
      );
    });
  }

  /** Ends it: in order by SIGTERM, or suddenly and without a word to its peer by SIGKILL. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    this.#child.kill(signal);
    await within("srt-live-transmit's end", this.#gone.promise);
    await new Promise<void>((resolve) => this.#udp.close(() => resolve()));
  }
}
