/**
 * One control connection of relay_X v1 as its clients have it: registers, sends, and hears what the
 * gateway sends. It lives once. The gateway closes without a word whom it does not let in, so an end
 * before `auth` is a refusal.
 */
import type { Buffer } from "node:buffer";
import { connect, type Socket } from "node:net";
import { clearTimeout, setTimeout } from "node:timers";
import { z } from "zod";
import { LineSplitter } from "../v4/line-splitter.ts";

const REGISTER_TIMEOUT_MS = 10_000;
const LINE_BYTES_MAX = 4 * 1024 * 1024;

const envelopeSchema = z.object({ type: z.string(), payload: z.unknown() });
const portList = z.array(z.int()).nullable().transform((list) => list ?? []);

/** What of `port_state` the tools use; gateways before relayx send null for an empty list. */
export const portStateSchema = z.object({
  zmq_ready_ports: portList,
  srt_ready_ports: portList,
  zmq_empty_ports: portList,
  srt_empty_ports: portList,
});
export type PortState = z.output<typeof portStateSchema>;

export const grantSchema = z.object({
  request_id: z.string().default(""),
  session_id: z.string().default(""),
  zmq_port: z.int().optional(),
  srt_port: z.int().optional(),
  error: z.string().default(""),
  error_code: z.string().default(""),
});
export type Grant = z.output<typeof grantSchema>;

/** Why there is no registration, or no connection any more. */
export class V1ControlError extends Error {
  override name = "V1ControlError";
  /** `CONTROL_UNREACHABLE`, `CONTROL_LOST`, `CONTROL_TIMEOUT`, `CONTROL_PROTOCOL`, `REGISTER_REFUSED`. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface V1ControlOptions {
  host: string;
  port: number;
  role: "FE" | "BE";
  client_id: string;
  secret: string;
  onState?: (state: PortState) => void;
  onGrant?: (grant: Grant) => void;
  /** The connection is over after it was registered; called once, unless it was closed by us. */
  onLost?: (error: V1ControlError) => void;
}

export class V1Control {
  readonly #options: V1ControlOptions;
  readonly #splitter = new LineSplitter({ line_bytes_max: LINE_BYTES_MAX });
  #socket: Socket | null = null;
  #entering: { resolve(): void; reject(error: V1ControlError): void } | null = null;
  #is_over = false;

  constructor(options: V1ControlOptions) {
    this.#options = options;
  }

  /** Connects and registers; rejects with {@link V1ControlError}. */
  start(): Promise<void> {
    const { host, port, role, client_id, secret } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => this.#end("CONTROL_TIMEOUT", `no answer within ${REGISTER_TIMEOUT_MS} ms`),
        REGISTER_TIMEOUT_MS,
      );
      this.#entering = {
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      let connected = false;
      const socket = this.#socket = connect({ host, port, noDelay: true });
      socket.on("connect", () => {
        connected = true;
        this.send("register", { role, secret, client_id });
      });
      socket.on("data", (chunk: Buffer) => this.#read(chunk));
      socket.on("error", (error: Error & { code?: string }) => {
        const code = connected ? "CONTROL_LOST" : "CONTROL_UNREACHABLE";
        this.#end(code, error.code ?? error.message);
      });
      socket.on("close", () => {
        if (this.#entering === null) this.#end("CONTROL_LOST", "the gateway closed the connection");
        else this.#end("REGISTER_REFUSED", "closed without a word: the secret, or a limit");
      });
    });
  }

  send(type: string, payload: unknown): void {
    this.#socket?.write(`${JSON.stringify({ type, payload })}\n`);
  }

  close(): void {
    this.#is_over = true;
    this.#entering?.reject(new V1ControlError("CONTROL_LOST", "closed by this end"));
    this.#entering = null;
    this.#socket?.destroy();
  }

  #read(chunk: Buffer): void {
    try {
      this.#splitter.push(chunk, (line) => this.#hear(line));
    } catch (error) {
      this.#end("CONTROL_PROTOCOL", error instanceof Error ? error.message : String(error));
    }
  }

  #hear(line: string): void {
    if (this.#is_over) return;
    const { type, payload } = envelopeSchema.parse(JSON.parse(line));
    if (type === "auth") {
      this.#entering?.resolve();
      this.#entering = null;
    } else if (type === "port_state") this.#options.onState?.(portStateSchema.parse(payload));
    else if (type === "port_grant") this.#options.onGrant?.(grantSchema.parse(payload));
  }

  #end(code: string, message: string): void {
    if (this.#is_over) return;
    this.#is_over = true;
    this.#socket?.destroy();
    const { host, port } = this.#options;
    const error = new V1ControlError(code, `${host}:${port}: ${message}`);
    const entering = this.#entering;
    this.#entering = null;
    if (entering === null) this.#options.onLost?.(error);
    else entering.reject(error);
  }
}

/** What both ends say first on a data port. */
export function helloLine(role: "FE" | "BE", client_id: string): string {
  return `RLX1HELLO ${JSON.stringify({ role, client_id })}\n`;
}
