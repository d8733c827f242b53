/** Sends what the door has to tell, all of one turn of the event loop together. */
import { setImmediate } from "node:timers";
import type { MessagePort } from "node:worker_threads";
import type { DoorReport } from "./protocol.ts";

export class ReportPost {
  readonly #channel: MessagePort;
  #waiting: DoorReport[] = [];

  constructor({ channel }: { channel: MessagePort }) {
    this.#channel = channel;
  }

  add(report: DoorReport): void {
    if (this.#waiting.push(report) === 1) setImmediate(() => this.#send());
  }

  #send(): void {
    const reports = this.#waiting;
    this.#waiting = [];
    this.#channel.postMessage(reports);
  }
}
