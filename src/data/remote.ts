/** Where a peer comes from, as the planes report it: `address:port`, an IPv6 address in brackets. */

/** The address alone, without brackets. */
export function hostOf(remote: string): string {
  return remote.slice(0, remote.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}
