/** The admin port over a fake gateway, on a free port of this machine. */
import { afterEach } from "bun:test";
import { connect, type Socket } from "node:net";
import { Admin } from "../../../src/admin/admin.ts";
import type { Assets } from "../../../src/admin/application.ts";
import { type Config, configSchema } from "../../../src/config/schema.ts";
import { Journal } from "../../../src/observe/journal.ts";
import { SetupTimes } from "../../../src/observe/setup-times.ts";
import { within } from "../../harness/deadline.ts";
import { RecordingLog } from "../sessions/recording-log.ts";
import { FakeSource } from "./fake-source.ts";

export const TOKEN = "a-token-of-the-operator";
export const READ_TOKEN = "a-token-for-reading-only";

export interface Serving {
  admin: Admin;
  port: number;
  source: FakeSource;
  log: RecordingLog;
  journal: Journal;
  setup: SetupTimes;
  unauthorized: string[];
  banned: Set<string>;
  /** `fetch` on the port. */
  ask(path: string, init?: RequestInit & { token?: string }): Promise<Response>;
  /** What comes back for bytes as they are, until the connection ends. */
  raw(bytes: string): Promise<string>;
  /** A connection that a test holds in its hand. */
  open(): Promise<Socket>;
}

const serving: { admin: Admin; journal: Journal; sockets: Socket[] }[] = [];

/** To be called once per test file: ends whatever a test has started. */
export function endAdminsAfterEach(): void {
  afterEach(async () => {
    for (const { admin, journal, sockets } of serving.splice(0)) {
      for (const socket of sockets) socket.destroy();
      await admin.close();
      await journal.close();
    }
  });
}

export async function serve(
  settings: Partial<Config["admin"]> = {},
  assets: Assets = new Map(),
): Promise<Serving> {
  const config = configSchema.parse({});
  Object.assign(config.admin, { port: 0, ...settings });
  const log = new RecordingLog();
  const limits = { events_max: 1000, events_bytes_max: 10_000_000 };
  const journal = new Journal({ log, limits, keeps_debug: false });
  const source = new FakeSource();
  const setup = new SetupTimes();
  const unauthorized: string[] = [];
  const banned = new Set<string>();
  const admin = new Admin({
    config,
    source,
    journal,
    setup,
    runtime: "Test 1",
    logLinesLost: () => 3,
    assets,
    retry_ms: 20,
    isBanned: (address) => banned.has(address),
    onUnauthorized: (address) => void unauthorized.push(address),
  });
  const sockets: Socket[] = [];
  serving.push({ admin, journal, sockets });
  await admin.start();
  const port = admin.snapshot().port ?? 0;
  const open = () =>
    within(
      "a connection",
      new Promise<Socket>((resolve, reject) => {
        const socket = connect(port, "127.0.0.1", () => resolve(socket));
        socket.on("error", reject);
        sockets.push(socket);
      }),
    );
  return {
    admin,
    port,
    source,
    log,
    journal,
    setup,
    unauthorized,
    banned,
    open,
    ask: (path, { token, ...init } = {}) => {
      const headers = new Headers(init.headers);
      if (token !== undefined) headers.set("authorization", `Bearer ${token}`);
      return within(path, fetch(`http://127.0.0.1:${port}${path}`, { ...init, headers }));
    },
    raw: async (bytes) => {
      const socket = await open();
      socket.write(bytes);
      return await everything(socket);
    },
  };
}

/** Everything that comes until the connection ends. */
export function everything(socket: Socket): Promise<string> {
  return within(
    "the end of the connection",
    new Promise((resolve) => {
      let text = "";
      socket.on("data", (part) => text += String(part));
      socket.on("error", () => {});
      socket.on("close", () => resolve(text));
      socket.on("end", () => socket.end());
    }),
  );
}

/** A request's head, with the Host that belongs there and nothing else unless told. */
export function head(line: string, headers: readonly string[] = ["Host: localhost"]): string {
  return `${[`${line} HTTP/1.1`, ...headers, "Connection: close"].join("\r\n")}\r\n\r\n`;
}
