/**
 * Writing a header of the PROXY protocol, version 2, as `proxy-header.ts` describes and reads it: for
 * connections that are handed on inside this machine.
 */
import { Buffer } from "node:buffer";
import { isIPv4 } from "node:net";
import { encodeAddress } from "../../ffi/libc/mod.ts";

const SIGNATURE = [13, 10, 13, 10, 0, 13, 10, 0x51, 0x55, 0x49, 0x54, 10];
const PROXY = 0x21;
const TCP_OVER_IPV4 = 0x11;
const TCP_OVER_IPV6 = 0x21;
/** Where a `sockaddr` has its port and its address. */
const PORT_AT = 2;
const IPV4_AT = 4;
const IPV6_AT = 8;

export interface ProxyEnd {
  /** An IPv4 or IPv6 address, without a zone. */
  host: string;
  port: number;
}

/** Where the connection comes from, and where it came to. Throws where a host is no address. */
export function proxyAnnouncement(source: ProxyEnd, target: ProxyEnd): Uint8Array {
  const is_ipv4 = isIPv4(source.host) && isIPv4(target.host);
  const ends = [source, target].map(({ host, port }) => {
    // Both are of one family in a header: where they are not, IPv6 writes IPv4 addresses as well.
    const encoded = encodeAddress(!is_ipv4 && isIPv4(host) ? `::ffff:${host}` : host, port);
    const at = is_ipv4 ? IPV4_AT : IPV6_AT;
    return {
      address: encoded.subarray(at, at + (is_ipv4 ? 4 : 16)),
      port: encoded.subarray(PORT_AT, PORT_AT + 2),
    };
  });
  const content = Buffer.concat([
    ...ends.map(({ address }) => address),
    ...ends.map(({ port }) => port),
  ]);
  const protocol = is_ipv4 ? TCP_OVER_IPV4 : TCP_OVER_IPV6;
  return Buffer.concat([Buffer.from([...SIGNATURE, PROXY, protocol, 0, content.length]), content]);
}
