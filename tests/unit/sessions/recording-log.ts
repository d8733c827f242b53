import type { Log, LogFields } from "../../../src/observe/log.ts";
import { EventList } from "./events.ts";

export type Line = LogFields & { level: string; msg: string };

/** A log that keeps its lines for the test to read. */
export class RecordingLog implements Log {
  readonly lines = new EventList<Line>();

  debug(fields: LogFields, message: string): void {
    this.#write("debug", fields, message);
  }
  info(fields: LogFields, message: string): void {
    this.#write("info", fields, message);
  }
  warn(fields: LogFields, message: string): void {
    this.#write("warn", fields, message);
  }
  error(fields: LogFields, message: string): void {
    this.#write("error", fields, message);
  }
  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The first line with this status, past or to come. */
  status(status: string): Promise<Line> {
    return this.lines.find((line) => line.status === status);
  }

  statuses(): (string | undefined)[] {
    return this.lines.items.map((line) => line.status);
  }

  #write(level: string, fields: LogFields, msg: string): void {
    this.lines.push({ ...fields, level, msg });
  }
}
