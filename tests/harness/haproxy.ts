/**
 * HAProxy in front of a gateway, as a sender of PROXY headers that nobody here has written. It
 * connects from an address of its own, so that a test can trust it and nobody else.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { patience_ms, turn, within } from "./deadline.ts";
import { claimPorts, type PortBlock } from "./free-ports.ts";

/** One way through. */
export interface Passage {
  /** Where it leads. */
  port: number;
  /** In HAProxy's own words: `send-proxy`, `send-proxy-v2` and their options. */
  header: string;
}

export class Haproxy {
  /** Where HAProxy comes from. */
  static readonly address = "127.0.0.9";
  readonly #passages: readonly Passage[];
  readonly #block: PortBlock;
  readonly #folder = mkdtempSync(join(tmpdir(), "relayx-haproxy-"));
  readonly #child: ChildProcess;
  readonly #gone: Promise<never>;
  #output = "";

  private constructor(passages: readonly Passage[], block: PortBlock) {
    this.#passages = passages;
    this.#block = block;
    const file = join(this.#folder, "haproxy.cfg");
    writeFileSync(file, this.#configuration());
    // In the foreground and without a master: one process to stop.
    this.#child = spawn("haproxy", ["-db", "-f", file], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: `${process.env.PATH}:/usr/sbin` },
    });
    for (const stream of [this.#child.stdout!, this.#child.stderr!]) {
      stream.on("data", (text) => this.#output += text);
    }
    this.#gone = new Promise((_, reject) => {
      this.#child.once("error", reject);
      this.#child.once("close", () => reject(new Error(`HAProxy has ended:\n${this.#output}`)));
    });
    this.#gone.catch(() => {});
  }

  static async start(passages: readonly Passage[]): Promise<Haproxy> {
    const block = await claimPorts({ tcp_ports: passages.length, srt_ports: 1 });
    const haproxy = new Haproxy(passages, block);
    try {
      await within("HAProxy", Promise.race([haproxy.#answers(), haproxy.#gone]));
    } catch (error) {
      await haproxy.close();
      throw error;
    }
    return haproxy;
  }

  /** The port on HAProxy that leads through a passage. */
  portOf(passage: Passage): number {
    return this.#block.tcp.first + this.#passages.indexOf(passage);
  }

  async close(): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null && this.#child.pid) {
      this.#child.kill("SIGKILL");
      await this.#gone.catch(() => {});
    }
    rmSync(this.#folder, { recursive: true, force: true });
    await this.#block.release();
  }

  /** It binds all of its ports before it answers on any. */
  async #answers(): Promise<void> {
    const until_ms = performance.now() + patience_ms;
    while (performance.now() < until_ms) {
      const answer = await fetch(`http://127.0.0.1:${this.#block.control}/`).catch(() => null);
      await answer?.body?.cancel();
      if (answer?.status === 200) return;
      await turn();
    }
  }

  #configuration(): string {
    return [
      "defaults",
      "  timeout connect 10s",
      "  timeout client 60s",
      "  timeout server 60s",
      "frontend answers",
      "  mode http",
      `  bind 127.0.0.1:${this.#block.control}`,
      "  monitor-uri /",
      ...this.#passages.flatMap((passage) => [
        `listen passage${this.portOf(passage)}`,
        "  mode tcp",
        `  bind 127.0.0.1:${this.portOf(passage)}`,
        `  server gateway 127.0.0.1:${passage.port} source ${Haproxy.address} ${passage.header}`,
      ]),
      "",
    ].join("\n");
  }
}
