import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { gunzipSync } from "node:zlib";
import type { Config } from "../../../src/config/schema.ts";
import { LogOpenError, openLog } from "../../../src/observe/log.ts";

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-log-"));
  path = join(folder, "gateway.log");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function logging(changes: Partial<Config["logging"]> = {}): Config["logging"] {
  return {
    level: "info",
    format: "json",
    output: "file",
    file_path: path,
    max_size: 1_048_576,
    max_age: 7,
    compress: false,
    ...changes,
  };
}

function lines(file: string): Record<string, unknown>[] {
  return readFileSync(file, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
}

describe("the log file", () => {
  test("has one JSON object per line with time, level, msg and the fields", async () => {
    const log = await openLog({ logging: logging() });
    log.debug({ status: "paired" }, "not at this level");
    log.info({ status: "serving", port: 5555 }, "one");
    log.warn({}, "two");
    log.error({ error: new Error("broken") }, "three");
    await log.close();
    log.info({}, "after the end");
    const [one, two, three, ...more] = lines(path);
    expect(one).toMatchObject({ level: "info", status: "serving", port: 5555, msg: "one" });
    expect(new Date(one.time as string).toISOString()).toBe(one.time as string);
    expect(two).toMatchObject({ level: "warn", msg: "two" });
    expect(three).toMatchObject({ level: "error", error: { message: "broken" } });
    expect(more).toEqual([]);
  });

  test("never has a secret", async () => {
    const log = await openLog({ logging: logging({ level: "debug" }) });
    for (const level of ["debug", "info", "warn", "error"] as const) {
      log[level]({ token: "s3cret", nested: { passphrase: "s3cret" } }, "line");
    }
    await log.close();
    const content = readFileSync(path, "utf8");
    expect(content).not.toContain("s3cret");
    expect(content.match(/\[redacted\]/g)).toHaveLength(8);
  });

  test("can be text", async () => {
    const log = await openLog({ logging: logging({ format: "text" }) });
    log.info({ port: 2300 }, "a sentence");
    await log.close();
    expect(readFileSync(path, "utf8")).toMatch(/^\S+Z INFO {2}a sentence port=2300\n$/);
  });

  test("is continued, and a broken last line is closed first", async () => {
    writeFileSync(path, '{"msg":"whole"}\n{"msg":"bro');
    const log = await openLog({ logging: logging() });
    log.info({}, "next");
    await log.close();
    const content = readFileSync(path, "utf8").split("\n");
    expect(content[1]).toBe('{"msg":"bro');
    expect(JSON.parse(content[2])).toMatchObject({ msg: "next" });
  });

  test("its folder is made", async () => {
    const file_path = join(folder, "a", "b", "gateway.log");
    const log = await openLog({ logging: logging({ file_path }) });
    log.info({}, "one");
    await log.close();
    expect(lines(file_path)).toHaveLength(1);
  });

  test.each([true, false])(
    "is set aside by size, nothing lost (compress: %p)",
    async (compress) => {
      const log = await openLog({ logging: logging({ max_size: 2000, compress }) });
      for (let index = 0; index < 200; index += 1) log.info({ index }, "x".repeat(50));
      await log.close();
      // Closing may have broken off a compression; the next start takes it up.
      const again = await openLog({ logging: logging({ max_size: 2000, compress }) });
      await again.close();
      const names = readdirSync(folder).sort();
      expect(names.length).toBeGreaterThan(5);
      const seen: unknown[] = [];
      for (const name of names) {
        const bytes = readFileSync(join(folder, name));
        const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString();
        expect(text.length).toBeLessThan(4500);
        for (const line of text.trimEnd().split("\n")) {
          if (line !== "") seen.push(JSON.parse(line).index);
        }
      }
      expect(seen.toSorted((a, b) => Number(a) - Number(b))).toEqual(
        Array.from({ length: 200 }, (_, index) => index),
      );
      if (!compress) expect(names.some((name) => name.endsWith(".gz"))).toBe(false);
    },
  );

  test("that cannot be opened is refused with the reason", async () => {
    mkdirSync(path);
    const failure = await openLog({ logging: logging() }).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(LogOpenError);
    expect((failure as LogOpenError).path).toBe(path);
    const nowhere = await openLog({ logging: logging({ file_path: "/proc/absent/gateway.log" }) })
      .catch((error: unknown) => error);
    expect(nowhere).toBeInstanceOf(LogOpenError);
    expect((nowhere as LogOpenError).code).toBe("ENOENT");
  });

  // Root may write everywhere, so the permission that is missing here would not be.
  test.skipIf(process.getuid?.() === 0)("goes on where it cannot be set aside", async () => {
    const log = await openLog({ logging: logging({ max_size: 1024 }) });
    chmodSync(folder, 0o500);
    for (let index = 0; index < 100; index += 1) log.info({ index }, "x".repeat(50));
    await log.close();
    chmodSync(folder, 0o700);
    const written = lines(path);
    expect(written.filter((line) => "index" in line)).toHaveLength(100);
    expect(written.filter((line) => line.status === "log_rotation_failed")).toHaveLength(1);
  });
});

describe("the console", () => {
  test("is any descriptor, and stays open", async () => {
    const descriptor = openSync(path, "w");
    const options = { logging: logging({ output: "console" }), console_descriptor: descriptor };
    for (const message of ["one", "two"]) {
      const log = await openLog(options);
      log.info({}, message);
      await log.close();
    }
    closeSync(descriptor);
    expect(lines(path).map(({ msg }) => msg)).toEqual(["one", "two"]);
  });

  test("that is full is complained about beside the log, and ends nothing", async () => {
    const descriptor = openSync("/dev/full", "w");
    const complaints: string[] = [];
    const first = Promise.withResolvers<void>();
    const log = await openLog({
      logging: logging({ output: "console" }),
      console_descriptor: descriptor,
      complain: (message) => {
        complaints.push(message);
        first.resolve();
      },
    });
    log.info({}, "one");
    await first.promise;
    log.info({}, "two");
    expect(log.snapshot().lines_lost).toBe(0);
    await log.close();
    closeSync(descriptor);
    expect(complaints[0]).toContain("the log cannot be written to the console (");
    expect(complaints[0]).toContain("1 lines wait, 0 are lost");
    expect(complaints.slice(1)).toEqual(["the log ends without 2 lines"]);
  });

  test("that is full does not let memory grow", async () => {
    const descriptor = openSync("/dev/full", "w");
    const log = await openLog({
      logging: logging({ output: "console" }),
      console_descriptor: descriptor,
      complain: () => undefined,
    });
    for (let index = 0; index < 20_000; index += 1) log.info({}, "x".repeat(1000));
    const { queued_bytes, lines_lost } = log.snapshot();
    expect(queued_bytes).toBeLessThanOrEqual(4 * 1024 * 1024);
    expect(lines_lost).toBeGreaterThan(15_000);
    await log.close();
    closeSync(descriptor);
  });
});
