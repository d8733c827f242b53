/**
 * The TLS listeners of both sides. Handshakes and bytes are a thread's of their own
 * (`data/fastway/door/`); here are its rules, its place when it dies, and what the log says of it.
 */
import { clearTimeout, setTimeout } from "node:timers";
import type { ListenAddress } from "../../config/fastway-section.ts";
import type { Config } from "../../config/schema.ts";
import { readTlsFiles, type TlsRules, tlsRules } from "../../config/tls-files.ts";
import { banChange } from "../../data/ban-change.ts";
import { DoorThread, type DoorThreadOptions } from "../../data/fastway/door/door-thread.ts";
import {
  type DoorReport,
  type DoorRules,
  newDoorFigures,
  readDoorFigures,
} from "../../data/fastway/door/protocol.ts";
import { SocketFolder } from "../../data/fastway/door/socket-folder.ts";
import type { FastwayPlane } from "../../data/fastway/plane.ts";
import type { FastwaySide } from "../../data/fastway/protocol.ts";
import { haveTurned } from "../../data/worker-seat.ts";
import type { Log } from "../../observe/log.ts";
import {
  type DoorPorts,
  type FastwayDoor,
  FastwayDoorError,
  type FastwayDoorSnapshot,
} from "./door.ts";
import { DoorLines } from "./door-lines.ts";

/** A thread that keeps dying is given this much rest. */
const REPLACE_AFTER_MS = 500;

type Listening = Extract<DoorReport, { type: "listening" | "listen_failed" }>;

export interface TlsDoorOptions {
  config: Config;
  plane: Pick<FastwayPlane, "openDoor">;
  log: Log;
  /** Another than the real one in tests. */
  makeThread?: (options: DoorThreadOptions) => DoorThread;
}

export class FastwayTlsDoor implements FastwayDoor {
  readonly #options: TlsDoorOptions;
  readonly #log: Log;
  readonly #lines: DoorLines;
  readonly #table = newDoorFigures();
  /** Where each side is listened to; a port that was 0 becomes the one that the kernel gave. */
  readonly #places = new Map<FastwaySide, ListenAddress>();
  readonly #waiting = new Map<FastwaySide, (report: Listening) => void>();
  #tls: TlsRules | null = null;
  #rules: DoorRules;
  #bans: ReadonlySet<string> = new Set();
  #folder: SocketFolder | null = null;
  #thread: DoorThread | null = null;
  #replaced = 0;
  #rest: ReturnType<typeof setTimeout> | null = null;
  #closed = false;

  constructor(options: TlsDoorOptions) {
    const { config, log } = options;
    this.#options = options;
    this.#log = log;
    this.#lines = new DoorLines({ log });
    this.#rules = this.#rulesOf(config);
  }

  async start(): Promise<DoorPorts> {
    const { config, plane } = this.#options;
    const { client_tls_addr, server_tls_addr } = config.fastway!;
    if (client_tls_addr !== undefined) this.#places.set("client", client_tls_addr);
    if (server_tls_addr !== undefined) this.#places.set("server", server_tls_addr);
    if (this.#places.size === 0) return {};
    attempt("tls.cert_file", "TLS_FILES", () => this.#takeCertificate(config));
    const folder = attempt("TMPDIR", "NO_FOLDER", () => new SocketFolder());
    this.#folder = folder;
    await Promise.all(
      [...this.#places.keys()].map((side) => plane.openDoor(side, folder.file(side))),
    );
    const thread = this.#thread = this.#newThread();
    await thread.start();
    this.#ban(thread, [...this.#bans], []);
    for (const side of this.#places.keys()) {
      const report = await this.#listen(thread, side);
      if (report.type === "listening") this.#keepPort(side, report.port);
      else throw new FastwayDoorError(`fastway.${side}_tls_addr`, report.code, report.message);
    }
    return this.#ports();
  }

  apply(config: Config): void {
    try {
      this.#takeCertificate(config);
    } catch (error) {
      this.#log.error(
        { status: "tls_error", error: reasonOf(error) },
        "the new certificate cannot be used for fastway; the one before stays",
      );
    }
    this.#rules = this.#rulesOf(config);
    this.#thread?.send({ type: "rules", rules: this.#rules });
  }

  setBans(networks: readonly string[]): void {
    const { bans, added, removed } = banChange(this.#bans, networks);
    this.#bans = bans;
    if (this.#thread !== null) this.#ban(this.#thread, added, removed);
  }

  snapshot(): FastwayDoorSnapshot {
    return {
      ...readDoorFigures(this.#table),
      ports: this.#ports(),
      threads_replaced: this.#replaced,
    };
  }

  beat(within_ms: number): Promise<boolean> {
    // A thread that is being replaced has been told of already, and is no reason to end the rest.
    const thread = this.#closed ? null : this.#thread;
    return haveTurned(thread === null ? [] : [thread], within_ms);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#rest !== null) clearTimeout(this.#rest);
    await this.#thread?.close();
    this.#lines.close();
    this.#folder?.close();
  }

  #rulesOf({ fastway, limits, proxy_protocol }: Config): DoorRules {
    return {
      tls: this.#tls,
      handshake_timeout_ms: fastway!.tls_handshake_timeout,
      unproven_max: limits.unproven_max,
      unproven_per_address_max: limits.unproven_per_address_max,
      unproven_prefix: "",
      trusted_proxies: proxy_protocol.trusted,
      proxy_header: proxy_protocol.mode,
    };
  }

  /** Throws where the files cannot be used; nothing has changed then. */
  #takeCertificate({ tls }: Config): void {
    const material = readTlsFiles(tls);
    this.#tls = material === null ? null : tlsRules(tls, material);
  }

  #ports(): DoorPorts {
    return Object.fromEntries([...this.#places].map(([side, { port }]) => [side, port]));
  }

  #keepPort(side: FastwaySide, port: number): void {
    this.#places.set(side, { ...this.#places.get(side)!, port });
  }

  #newThread(): DoorThread {
    this.#rules = { ...this.#rules, tls: this.#tls };
    const options: DoorThreadOptions = {
      rules: this.#rules,
      table: this.#table,
      onReport: (report) => this.#hear(report),
      onFailure: (error) => this.#lost(error),
    };
    return this.#options.makeThread?.(options) ?? new DoorThread(options);
  }

  #ban(thread: DoorThread, added: readonly string[], removed: readonly string[]): void {
    if (added.length + removed.length > 0) thread.send({ type: "bans", added, removed });
  }

  #listen(thread: DoorThread, side: FastwaySide): Promise<Listening> {
    const answered = new Promise<Listening>((resolve) => this.#waiting.set(side, resolve));
    const at = this.#places.get(side)!;
    thread.send({ type: "listen", side, at, path: this.#folder!.file(side) });
    return answered;
  }

  #lost(error: string): void {
    this.#thread = null;
    for (const side of [...this.#waiting.keys()]) {
      this.#hear({ type: "listen_failed", side, code: "THREAD_DIED", message: error });
    }
    this.#log.error(
      { status: "door_failed", error },
      "the thread of fastway's TLS listeners has died, and its connections with it; another follows",
    );
    this.#replaceSoon();
  }

  #replaceSoon(): void {
    this.#rest = setTimeout(() => void this.#replace(), REPLACE_AFTER_MS);
  }

  async #replace(): Promise<void> {
    const thread = this.#newThread();
    try {
      await thread.start();
    } catch (error) {
      this.#log.error(
        { status: "door_failed", error: reasonOf(error) },
        "the thread of fastway's TLS listeners cannot be replaced yet",
      );
      if (!this.#closed) this.#replaceSoon();
      return;
    }
    if (this.#closed) return void await thread.close();
    this.#thread = thread;
    this.#ban(thread, [...this.#bans], []);
    for (const side of this.#places.keys()) {
      const report = await this.#listen(thread, side);
      if (report.type === "listening") continue;
      const { code, message } = report;
      this.#log.error(
        { status: "door_failed", key: `fastway.${side}_tls_addr`, code, error: message },
        "a TLS listener of fastway cannot be opened again",
      );
    }
    this.#replaced++;
  }

  #hear(report: DoorReport): void {
    switch (report.type) {
      case "listening":
      case "listen_failed":
        this.#waiting.get(report.side)?.(report);
        this.#waiting.delete(report.side);
        return;
      case "refused":
        return this.#lines.refused(report);
      case "shed":
        return this.#lines.shed(report);
      case "accept_failed":
        return this.#lines.acceptFailed(report);
    }
  }
}

/** Gives a failure of the start its key and its code. */
function attempt<T>(key: FastwayDoorError["key"], code: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw new FastwayDoorError(key, code, reasonOf(error));
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
