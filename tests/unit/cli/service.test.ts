import { EventEmitter } from "node:events";
import { describe, expect, test } from "bun:test";
import { type Runnable, Service } from "../../../src/cli/service.ts";
import { ConfigError } from "../../../src/config/problem.ts";
import type { Log, LogFields } from "../../../src/observe/log.ts";

class RecordingLog implements Log {
  readonly lines: { level: string; fields: LogFields; message: string }[] = [];
  closed = false;
  #write(level: string, fields: LogFields, message: string): void {
    this.lines.push({ level, fields, message });
  }
  debug = (fields: LogFields, message: string) => this.#write("debug", fields, message);
  info = (fields: LogFields, message: string) => this.#write("info", fields, message);
  warn = (fields: LogFields, message: string) => this.#write("warn", fields, message);
  error = (fields: LogFields, message: string) => this.#write("error", fields, message);
  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

function fixture(
  changes: Partial<Runnable> = {},
  shutdown_timeout_ms = 1000,
  supervised = false,
) {
  const calls: string[] = [];
  const complaints: string[] = [];
  const host = new EventEmitter();
  const log = new RecordingLog();
  const started = Promise.withResolvers<void>();
  const gateway: Runnable = {
    shutdown_timeout_ms,
    start: () => {
      started.resolve();
      return Promise.resolve();
    },
    close: (reason) => {
      calls.push(`close ${reason}`);
      return Promise.resolve();
    },
    abort: () => {
      calls.push("abort");
      return Promise.resolve();
    },
    reload: (by) => {
      calls.push(`reload ${by}`);
      return Promise.resolve();
    },
    ...changes,
  };
  const complain = (message: string) => complaints.push(message);
  const tell = (what: string) => () => void calls.push(`notifier ${what}`);
  const notifier = supervised
    ? {
      start: tell("start"),
      ready: tell("ready"),
      reloading: tell("reloading"),
      stopping: tell("stopping"),
      close: tell("close"),
    }
    : null;
  const service = new Service({ gateway, log, host, complain, notifier });
  return { service, host, log, calls, complaints, started };
}

describe("the life of the process", () => {
  test("SIGHUP reloads while it serves, and a wrong configuration is complained about", async () => {
    const wrong = new ConfigError([
      { file: "f", line: 1, column: 1, key: "a.b", code: "c", found: "x", allowed: "y" },
    ]);
    const reloads: string[] = [];
    const refused = Promise.withResolvers<void>();
    const { service, host, complaints, started } = fixture({
      reload: (by) => {
        reloads.push(by);
        if (reloads.length === 1) return Promise.resolve();
        refused.resolve();
        return Promise.reject(wrong);
      },
    });
    host.emit("SIGHUP");
    const ended = service.run();
    await started.promise;
    await Promise.resolve();
    host.emit("SIGHUP");
    host.emit("SIGHUP");
    await refused.promise;
    await Promise.resolve();
    host.emit("SIGTERM");
    expect(await ended).toBe(0);
    expect(reloads).toEqual(["SIGHUP", "SIGHUP"]);
    expect(complaints).toEqual([
      "the configuration is not reloaded:\nf:1:1 a.b: found x; allowed: y",
    ]);
  });

  test.each(["SIGTERM", "SIGINT"])("%s drains and ends with 0", async (signal) => {
    const { service, host, log, calls, complaints, started } = fixture();
    const ended = service.run();
    await started.promise;
    host.emit(signal);
    expect(await ended).toBe(0);
    expect(calls).toEqual([`close ${signal}`]);
    expect(log.closed).toBe(true);
    expect(complaints).toEqual([]);
    expect(host.eventNames()).toEqual([]);
  });

  test.each([["SIGTERM", 143], ["SIGINT", 130]])(
    "a second signal, %s, ends at once with %d",
    async (signal, code) => {
      const closing = Promise.withResolvers<void>();
      const asked = Promise.withResolvers<void>();
      const { service, host, calls, started } = fixture({
        close: () => {
          asked.resolve();
          return closing.promise;
        },
      });
      const ended = service.run();
      await started.promise;
      host.emit("SIGTERM");
      await asked.promise;
      host.emit(signal);
      expect(await ended).toBe(code);
      expect(calls).toEqual(["abort"]);
      closing.resolve();
    },
  );

  test("a signal while starting stops as soon as the start is over", async () => {
    const starting = Promise.withResolvers<void>();
    const { service, host, calls } = fixture({ start: () => starting.promise });
    const ended = service.run();
    host.emit("SIGTERM");
    expect(calls).toEqual([]);
    starting.resolve();
    expect(await ended).toBe(0);
    expect(calls).toEqual(["close SIGTERM"]);
  });

  test("a start that fails for an outer reason is one clear line and 1", async () => {
    const error = Object.assign(new Error("the control port 5555 is in use"), {
      code: "EADDRINUSE",
    });
    const { service, log, complaints, calls } = fixture({ start: () => Promise.reject(error) });
    expect(await service.run()).toBe(1);
    expect(complaints).toEqual(["cannot start: the control port 5555 is in use"]);
    expect(log.lines[0]).toMatchObject({ level: "error", fields: { code: "EADDRINUSE" } });
    expect(calls).toEqual(["abort"]);
  });

  test("a start that fails by a mistake of ours is 70", async () => {
    const { service } = fixture({ start: () => Promise.reject(new TypeError("undefined")) });
    expect(await service.run()).toBe(70);
  });

  test.each(["uncaughtException", "unhandledRejection"])("%s is logged and 70", async (event) => {
    const { service, host, log, calls, complaints, started } = fixture();
    const ended = service.run();
    await started.promise;
    host.emit(event, new Error("our own mistake"));
    host.emit(event, new Error("a consequence"));
    expect(await ended).toBe(70);
    expect(calls).toEqual(["abort"]);
    expect(complaints).toEqual(["a mistake of relayx itself ends it: our own mistake"]);
    expect(log.lines.filter(({ fields }) => fields.status === "internal_error")).toHaveLength(1);
    expect(log.closed).toBe(true);
  });

  test("closing that fails is 70, and everything is ended at once", async () => {
    const { service, host, calls, started } = fixture({
      close: () => Promise.reject(new Error("stuck")),
    });
    const ended = service.run();
    await started.promise;
    host.emit("SIGTERM");
    expect(await ended).toBe(70);
    expect(calls).toEqual(["abort"]);
  });

  test("closing that never ends is ended", async () => {
    // The grace beyond the shutdown timeout is 5 s; a timeout below zero takes it away.
    const { service, host, calls, started } = fixture(
      { close: () => new Promise(() => {}) },
      -5000,
    );
    const ended = service.run();
    await started.promise;
    host.emit("SIGTERM");
    expect(await ended).toBe(70);
    expect(calls).toEqual(["abort"]);
  });

  test("a supervisor is told of each step when it is true", async () => {
    const starting = Promise.withResolvers<void>();
    const { service, host, calls } = fixture({ start: () => starting.promise }, 1000, true);
    const ended = service.run();
    expect(calls).toEqual(["notifier start"]);
    starting.resolve();
    host.emit("SIGTERM");
    expect(await ended).toBe(0);
    expect(calls).toEqual([
      "notifier start",
      "notifier ready",
      // First the gateway, so that what is told of it is true.
      "close SIGTERM",
      "notifier stopping",
      "notifier close",
    ]);
  });

  test("a supervisor waits for the end of a reload, whether it came to anything or not", async () => {
    const reload = Promise.withResolvers<void>();
    const wrong = new ConfigError([
      { file: "f", line: 1, column: 1, key: "a.b", code: "c", found: "x", allowed: "y" },
    ]);
    const { service, host, calls, started } = fixture({ reload: () => reload.promise }, 1000, true);
    const ended = service.run();
    await started.promise;
    await Promise.resolve();
    calls.length = 0;
    host.emit("SIGHUP");
    expect(calls).toEqual(["notifier reloading"]);
    reload.reject(wrong);
    await reload.promise.catch(() => {});
    await Promise.resolve();
    expect(calls).toEqual(["notifier reloading", "notifier ready"]);
    host.emit("SIGTERM");
    expect(await ended).toBe(0);
  });

  test("a start that fails is not called ready", async () => {
    const { service, calls } = fixture(
      { start: () => Promise.reject(new Error("no")) },
      1000,
      true,
    );
    expect(await service.run()).toBe(70);
    expect(calls).toEqual(["notifier start", "abort", "notifier close"]);
  });

  test("a failing abort does not keep the process", async () => {
    const { service, host, started } = fixture({ abort: () => Promise.reject(new Error("no")) });
    const ended = service.run();
    await started.promise;
    host.emit("uncaughtException", new Error("our own mistake"));
    expect(await ended).toBe(70);
  });
});
