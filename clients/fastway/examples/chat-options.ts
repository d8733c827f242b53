/** The options of the command line that the chat's server and its client have in common. */
import process from "node:process";
import { parseArgs } from "node:util";
import type { EndpointOptions } from "../mod.ts";

const common = {
  host: { type: "string", default: "127.0.0.1" },
  port: { type: "string" },
  tls: { type: "boolean", default: false },
  snet: { type: "boolean", default: false },
  encrypt: { type: "boolean", default: false },
} as const;

/** `own` are further options, each a text with its default. */
export function chatOptions<Own extends string>(
  own: Record<Own, string>,
): { endpoint: EndpointOptions; own: Record<Own, string> } {
  const names = Object.keys(own) as Own[];
  const { values } = parseArgs({
    options: {
      ...common,
      ...Object.fromEntries(names.map((name) => [name, { type: "string", default: own[name] }])),
    },
  });
  if (values.port === undefined) {
    console.error("--port is missing: that of the gateway's listener");
    process.exit(2);
  }
  const found = values as unknown as Record<Own, string>;
  return {
    endpoint: {
      host: values.host,
      port: Number(values.port),
      tls: values.tls,
      snet: (values.snet || values.encrypt) && { encrypt: values.encrypt },
      onAway: () => console.log("* the connection is lost; looking for it"),
      onBack: () => console.log("* the connection is back"),
    },
    own: Object.fromEntries(names.map((name) => [name, found[name]])) as Record<
      Own,
      string
    >,
  };
}
