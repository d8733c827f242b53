/**
 * What is looked at before anybody asks what a request wants: whether it was meant for this port at
 * all. A page on some other site can have a browser send requests here, by the address or by a name of
 * its own that it lets point here ("DNS rebinding"); none of those may get through, whatever is behind.
 * The path is taken as it was sent: nothing is tidied up, so nothing can mean two things.
 */
import { type Refusal, refusal, shown } from "./refusal.ts";

/** A request's head. */
export interface RequestHead {
  method: string;
  /** As it was sent. */
  target: string;
  /** Names and values in turn, as they were sent. */
  raw_headers: readonly string[];
  /** The address that the peer has connected to. */
  local_address: string;
}

/** A head that may be looked at further. */
export interface PassedHead {
  host: string;
  /** The path, still percent-encoded. */
  path: string;
  /** With its question mark, or empty. */
  search: string;
}

const METHODS: ReadonlySet<string> = new Set([
  "GET",
  "HEAD",
  "POST",
  "PUT",
  "PATCH",
  "DELETE",
  "OPTIONS",
]);
const READING: ReadonlySet<string> = new Set(["GET", "HEAD"]);

export function passGate(
  head: RequestHead,
  rules: { allowed_hosts: readonly string[] },
): PassedHead | Refusal {
  const { method, target } = head;
  if (!METHODS.has(method)) {
    return refusal(405, "method_not_allowed", shown(method), "GET, HEAD, POST and DELETE", {
      allow: "GET, HEAD, POST, DELETE",
    });
  }
  const [path, search] = splitTarget(target);
  const fault = faultOf(path);
  if (fault !== null) {
    return refusal(400, "bad_target", `${shown(path)}, ${fault}`, "a plain path");
  }

  const hosts = valuesOf(head, "host");
  if (hosts.length !== 1) {
    return refusal(400, "bad_host", `${hosts.length} Host headers`, "exactly one Host header");
  }
  const host = hosts[0].toLowerCase();
  const name = hostName(host);
  if (name === null) {
    return refusal(400, "bad_host", `the Host ${shown(host)}`, "a name or an address, and a port");
  }
  if (!isOurs(name, head.local_address, rules.allowed_hosts)) {
    return refusal(
      403,
      "host_not_allowed",
      `the Host ${shown(host)}`,
      "localhost, the address that is connected to, or a name of admin.allowed_hosts",
    );
  }
  const wrong = READING.has(method) ? null : orderGate(head, host, rules.allowed_hosts);
  return wrong ?? { host, path, search };
}

/** What changes something must come from a program, or from a page of this very port. */
function orderGate(
  head: RequestHead,
  host: string,
  allowed_hosts: readonly string[],
): Refusal | null {
  const sites = valuesOf(head, "sec-fetch-site");
  const foreign = sites.find((site) => site !== "same-origin" && site !== "none");
  if (foreign !== undefined) {
    return refusal(403, "cross_site", `Sec-Fetch-Site ${shown(foreign)}`, "a page of this port");
  }
  for (const origin of valuesOf(head, "origin")) {
    const from = originHost(origin);
    // A proxy in front may have put another Host in place of the one that the browser knows.
    const by_proxy = from !== null && allowed_hosts.includes(hostName(from) ?? "");
    if (from !== host && !by_proxy) {
      return refusal(403, "cross_site", `the Origin ${shown(origin)}`, "a page of this port");
    }
  }
  const [type = "nothing"] = valuesOf(head, "content-type");
  if (head.method === "POST" && !/^application\/json\s*(?:;|$)/i.test(type)) {
    return refusal(
      415,
      "unsupported_media_type",
      `content-type ${shown(type)}`,
      "content-type application/json",
    );
  }
  return null;
}

function splitTarget(target: string): [path: string, search: string] {
  const at = target.indexOf("?");
  return at < 0 ? [target, ""] : [target.slice(0, at), target.slice(at)];
}

/** Why a path is none that this port serves; null where it may be one. */
function faultOf(path: string): string | null {
  if (!path.startsWith("/")) return "which does not begin with a slash";
  if (path.includes("//")) return "which has an empty segment";
  if (/[\\#]/.test(path)) return "which has a character that no path has";
  for (const segment of path.split("/")) {
    let decoded: string;
    try {
      decoded = decodeURIComponent(segment);
    } catch {
      return "whose percent-encoding is broken";
    }
    if (decoded === "." || decoded === "..") return "which goes up or stays";
  }
  return null;
}

/** The values of a header, each as it was sent. */
export function valuesOf(
  { raw_headers }: Pick<RequestHead, "raw_headers">,
  name: string,
): string[] {
  const values: string[] = [];
  for (let i = 0; i + 1 < raw_headers.length; i += 2) {
    if (raw_headers[i].toLowerCase() === name) values.push(raw_headers[i + 1].trim());
  }
  return values;
}

/** The host without its port, an IPv6 address without brackets; null for what is none. */
function hostName(host: string): string | null {
  const match = /^(?:\[([\da-f:.]{2,45})\]|([\w.-]{1,253}))(?::\d{1,5})?$/.exec(host);
  return match === null ? null : match[1] ?? match[2];
}

function isOurs(name: string, local_address: string, allowed_hosts: readonly string[]): boolean {
  return name === "localhost" || name === "::1" || /^127(?:\.\d{1,3}){3}$/.test(name) ||
    name === plainAddress(local_address) || allowed_hosts.includes(name);
}

/** An address without what marks it as IPv4 on an IPv6 socket, and without its interface. */
export function plainAddress(address: string): string {
  return address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, "").replace(/%.*$/, "");
}

function originHost(origin: string): string | null {
  const match = /^https?:\/\/([^/?#@]+)$/i.exec(origin);
  return match === null ? null : match[1].toLowerCase();
}
