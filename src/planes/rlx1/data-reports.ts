/** What the data side tells, handed to whom it concerns; and who was turned away there, for the log. */
import type { Access } from "../../access/access.ts";
import type { StandingEvent } from "../../data/standing.ts";
import { hostOf } from "../../data/remote.ts";
import type { Log } from "../../observe/log.ts";
import type { RepeatedLines } from "../../observe/repeated-lines.ts";
import type { DataSessions } from "./data-sessions.ts";
import type { PortTable } from "./port-table.ts";

/** What turned-away connections are called in v1's own words. */
const ERROR_CODES: Readonly<Record<string, string>> = {
  hello_error: "HELLO_INVALID",
  port_occupied: "PORT_BUSY",
  server_dup: "PORT_BUSY",
};

export class DataReports {
  readonly #access: Access;
  readonly #table: PortTable;
  readonly #sessions: DataSessions;
  readonly #log: Log;
  readonly #repeated: RepeatedLines;

  constructor(options: {
    access: Access;
    table: PortTable;
    sessions: DataSessions;
    log: Log;
    repeated: RepeatedLines;
  }) {
    this.#access = options.access;
    this.#table = options.table;
    this.#sessions = options.sessions;
    this.#log = options.log;
    this.#repeated = options.repeated;
  }

  onEvent(event: StandingEvent): void {
    if (event.type === "standing") {
      this.#sessions.onState(event);
      this.#table.onState(event);
    } else if (event.type === "standing_over") this.#sessions.onOver(event);
    else if (event.type === "standing_closed") this.#table.onClosed(event);
    else if (event.type === "rejected") this.#onRejected(event);
    else if (event.type === "shed") this.#onShed(event);
    else {
      this.#log.error(
        { status: "plane_failed", protocol: "rlx1", kind: "zmq", error: event.error },
        "a data worker died; its sessions are gone and it is replaced",
      );
    }
  }

  #onRejected(
    { port, status, detail, remote }: Extract<StandingEvent, { type: "rejected" }>,
  ): void {
    const kind = this.#table.get(port)?.label;
    const code = ERROR_CODES[status];
    this.#repeated.warn(
      `${status} ${port}`,
      {
        status,
        protocol: "rlx1",
        kind,
        port,
        ...(code === undefined ? {} : { code }),
        detail,
        remote,
      },
      "a connection to a data port is turned away",
    );
    if (status === "hello_error") this.#access.noteFailure(hostOf(remote), status);
  }

  #onShed({ port, limit, count, remote }: Extract<StandingEvent, { type: "shed" }>): void {
    const fields = { protocol: "rlx1", kind: this.#table.get(port)?.label, port, count, remote };
    if (limit === "banned") {
      this.#log.warn(
        { status: "banned", ...fields },
        "connections to a data port were closed: their addresses are banned",
      );
      return;
    }
    this.#log.warn(
      { status: "limit_reached", limit, ...fields },
      "connections to a data port were closed unheard",
    );
  }
}
