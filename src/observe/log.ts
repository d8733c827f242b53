/** The log as its callers see it: a level, the event's fields, one sentence. */
import { write } from "node:fs";
import { pino } from "pino";
import type { Config } from "../config/schema.ts";
import { LogConsole } from "./log-console.ts";
import { writableFields } from "./log-fields.ts";
import { LogFile } from "./log-file.ts";
import { type LogDestination, LogSink, type LogSinkSnapshot } from "./log-sink.ts";
import { textLine } from "./log-text.ts";

export { LogOpenError } from "./log-file.ts";

/** What every line may carry; `status` is the spec's word for what happened. Never a token. */
export type LogFields = {
  status?: string;
  session_id?: string;
  port?: number;
  kind?: string;
  remote?: string;
  [key: string]: unknown;
};

export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
  /** Writes what is buffered and closes the file; the log is silent afterwards. */
  close(): Promise<void>;
}

/** A log that was opened here can also say how it fares. */
export interface OpenLog extends Log {
  snapshot(): LogSinkSnapshot;
  setLevel(level: Config["logging"]["level"]): void;
}

/** Lines that wait for a slow or failing destination, bytes. */
const QUEUE_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_MS = 1000;
const COMPLAIN_MS = 60_000;
/** How long closing waits for a destination that takes nothing, milliseconds. */
const CLOSE_MS = 2000;

const STDOUT = 1;
const STDERR = 2;

export interface OpenLogOptions {
  logging: Config["logging"];
  /** The descriptor of the console; standard output unless told otherwise. */
  console_descriptor?: number;
  /** Says, beside the log, that the log does not work; on standard error unless told otherwise. */
  complain?: (message: string) => void;
}

/** Opens the log. Rejects with a `LogOpenError` where its file cannot be written. */
export async function openLog(options: OpenLogOptions): Promise<OpenLog> {
  const { logging } = options;
  let destination: LogDestination;
  if (logging.output === "file") {
    const file = new LogFile({
      path: logging.file_path,
      max_size: logging.max_size,
      max_age: logging.max_age,
      compress: logging.compress,
      report: (error) => logger.warn({ status: "log_rotation_failed" }, error.message),
    });
    destination = file;
    // What start() reports is logged below, so the logger has to exist before it runs.
  } else {
    destination = new LogConsole({ descriptor: options.console_descriptor ?? STDOUT });
  }

  const sink = new LogSink({
    destination,
    queue_bytes_max: QUEUE_BYTES_MAX,
    retry_ms: RETRY_MS,
    complain_ms: COMPLAIN_MS,
    complain: options.complain ?? complainer(),
    report_lost: (count) => logger.warn({ status: "log_lines_lost", count }, "log lines were lost"),
  });
  const text = logging.format === "text";
  const logger = pino({
    level: logging.level,
    base: null,
    messageKey: "msg",
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (level) => ({ level }) },
  }, { write: (line: string) => sink.write(text ? textLine(line) : line) });
  if (destination instanceof LogFile) await destination.start();

  return {
    debug: (fields, message) => {
      if (logger.isLevelEnabled("debug")) logger.debug(writableFields(fields), message);
    },
    info: (fields, message) => {
      if (logger.isLevelEnabled("info")) logger.info(writableFields(fields), message);
    },
    warn: (fields, message) => {
      if (logger.isLevelEnabled("warn")) logger.warn(writableFields(fields), message);
    },
    error: (fields, message) => logger.error(writableFields(fields), message),
    snapshot: () => sink.snapshot(),
    setLevel: (level) => logger.level = level,
    close: () => sink.close(CLOSE_MS),
  };
}

/** Writes to standard error without waiting, and one line at a time: it may be stuck as well. */
function complainer(): (message: string) => void {
  let busy = false;
  return (message) => {
    if (busy) return;
    busy = true;
    write(STDERR, `relayx: ${message}\n`, () => {
      busy = false;
    });
  };
}
