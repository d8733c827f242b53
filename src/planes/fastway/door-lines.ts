/** What the log says of those who do not get through a TLS listener. */
import type { DoorReport } from "../../data/fastway/door/protocol.ts";
import type { FastwaySide } from "../../data/fastway/protocol.ts";
import type { Log } from "../../observe/log.ts";
import { RepeatedLines } from "../../observe/repeated-lines.ts";

type Report<Type extends DoorReport["type"]> = Extract<DoorReport, { type: Type }>;

export class DoorLines {
  readonly #repeated: RepeatedLines;

  constructor({ log }: { log: Log }) {
    this.#repeated = new RepeatedLines({ log });
  }

  refused({ side, status, detail, remote, address, proxy }: Report<"refused">): void {
    const fields = { status, door: doorOf(side), error: detail, remote };
    this.#repeated.warn(
      `${status} ${address}`,
      proxy === null ? fields : { ...fields, proxy },
      "a connection to a TLS listener of fastway is closed",
    );
  }

  shed({ side, limit, address }: Report<"shed">): void {
    const door = doorOf(side);
    if (limit === "banned") {
      this.#repeated.warn(
        `banned ${side}`,
        { status: "banned", remote: address, door },
        "connections to a TLS listener of fastway were closed: their addresses are banned",
      );
      return;
    }
    this.#repeated.warn(
      `${limit} ${side}`,
      { status: "limit_reached", limit, remote: address, door },
      "connections to a TLS listener of fastway were closed: too many have not got through",
    );
  }

  acceptFailed({ side, error }: Report<"accept_failed">): void {
    this.#repeated.warn(
      `accept_failed ${side}`,
      { status: "door_error", door: doorOf(side), error },
      "accepting failed; the listener goes on",
    );
  }

  /** Writes what has been counted and not yet said. */
  close(): void {
    this.#repeated.close();
  }
}

function doorOf(side: FastwaySide): string {
  return `fastway ${side} TLS`;
}
