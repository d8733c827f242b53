/** The door's thread: an ordinary event loop, which turns when there is something to do. */
import type { MessagePort } from "node:worker_threads";
import { workerData } from "node:worker_threads";
import type { DoorOrder, DoorReport, DoorRules } from "./protocol.ts";
import { ReportPost } from "./report-post.ts";
import { TlsDoorway } from "./tls-doorway.ts";

const { channel, rules, table } = workerData as {
  channel: MessagePort;
  rules: DoorRules;
  table: Float64Array;
};
const post = new ReportPost({ channel });
const doorway = new TlsDoorway({ rules, table, report: (report: DoorReport) => post.add(report) });

channel.on("message", (order: DoorOrder) => {
  switch (order.type) {
    case "rules":
      return doorway.apply(order.rules);
    case "bans":
      return doorway.changeBans(order);
    case "listen":
      return doorway.listen(order);
    case "ping":
      return post.add({ type: "pong" });
    case "stop":
      doorway.close();
      return post.add({ type: "down" });
    default:
      throw new Error(`Unknown order ${JSON.stringify(order satisfies never)}`);
  }
});
post.add({ type: "up" });
