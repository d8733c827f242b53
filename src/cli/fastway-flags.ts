/**
 * The flags of `relayx fastway`: the parameters of the original program under their own names, each a
 * key of the section `fastway`.
 */
import type { Command } from "commander";
import type { Flag } from "../config/environment.ts";
import type { FastwayConfig } from "../config/fastway-section.ts";

/** A parameter, what stands for its value, its default and what it is. */
type Parameter = readonly [
  key: keyof FastwayConfig,
  value: "size" | "count" | "duration" | "address:port" | "key" | "type" | "bool",
  fallback: string,
  what: string,
];

/** In the order of the original's documentation. */
export const PARAMETERS: readonly Parameter[] = [
  ["ReusePort", "bool", "false", "several workers on each port"],
  ["MaxPacket", "size", "512K", "greatest frame"],
  ["MemPoolType", "type", "atom", "sync, atom or chan; changes nothing"],
  ["MemPoolFactor", "count", "2", "how many times as large each class of chunk is"],
  ["MemPoolMaxChunk", "size", "64K", "largest chunk"],
  ["MemPoolMinChunk", "size", "64B", "smallest chunk"],
  ["MemPoolPageSize", "size", "1M", "page that chunks are cut from"],
  ["ClientAddr", "address:port", ":0", "where clients connect; port 0 is any free one"],
  ["ClientMaxConn", "count", "16", "virtual connections of a client, 0 is unlimited"],
  ["ClientBufferSize", "size", "2K", "first memory for a frame that has come in part"],
  ["ClientIdleTimeout", "duration", "30s", "silence after which a client is closed, 0 is never"],
  ["ClientSendChanSize", "count", "1024", "messages that may wait for a client"],
  ["ClientSnetEnable", "bool", "false", "snet for clients"],
  ["ClientSnetEncrypt", "bool", "false", "snet's encryption for clients"],
  ["ClientSnetBuffer", "size", "64K", "what is kept to be sent again to a client"],
  ["ClientSnetInitTimeout", "duration", "10s", "time for a client's snet handshake"],
  ["ClientSnetWaitTimeout", "duration", "60s", "how long a client's return is waited for"],
  ["ServerAddr", "address:port", ":0", "where servers connect; port 0 is any free one"],
  ["ServerAuthPassword", "key", "", "what servers prove that they know; everybody here can see it"],
  ["ServerAuthKey", "key", "", "another name for ServerAuthPassword"],
  ["ServerBufferSize", "size", "64K", "first memory for a frame that has come in part"],
  ["ServerIdleTimeout", "duration", "30s", "silence after which a server is closed, 0 is never"],
  ["ServerSendChanSize", "count", "102400", "messages that may wait for a server"],
  ["ServerSnetEnable", "bool", "false", "snet for servers"],
  ["ServerSnetEncrypt", "bool", "false", "snet's encryption for servers"],
  ["ServerSnetBuffer", "size", "1M", "what is kept to be sent again to a server"],
  ["ServerSnetInitTimeout", "duration", "10s", "time for a server's snet handshake"],
  ["ServerSnetWaitTimeout", "duration", "60s", "how long a server's return is waited for"],
];

/** Go's words for the values of a boolean flag, all of which its programs take. */
const BOOLEANS: ReadonlyMap<string, string> = new Map([
  ...["1", "t", "T", "true", "TRUE", "True"].map((word) => [word, "true"] as const),
  ...["0", "f", "F", "false", "FALSE", "False"].map((word) => [word, "false"] as const),
]);

export function addParameters(command: Command): Command {
  for (const [key, value, fallback, what] of PARAMETERS) {
    // A switch stands alone or has its value behind "=".
    const shown = value === "bool" ? `[${value}]` : `<${value}>`;
    command.option(`--${key} ${shown}`, what, fallback === "" ? undefined : fallback);
  }
  return command;
}

/** What the command line really has; defaults are those of the configuration. */
export function givenFlags(command: Command): Flag[] {
  return PARAMETERS.flatMap(([key, value]) => {
    if (command.getOptionValueSource(key) !== "cli") return [];
    const given = command.getOptionValue(key) as string | true;
    const text = value !== "bool"
      ? String(given)
      : given === true
      ? "true"
      : BOOLEANS.get(given) ?? given;
    return [{ name: `-${key}`, section: "fastway", key, text }];
  });
}
