/**
 * The addresses that cannot be told apart. Whoever has one IPv6 address has the 2^64 of its network,
 * so counting them one by one would count nothing; an IPv4 address stands for itself.
 */
import { normalizeNetwork } from "../config/address-set.ts";

/** How a group is written: an IPv4 address, or an IPv6 network of 64 bits. */
export function addressGroup(address: string): string {
  const exact = normalizeNetwork(address);
  if (exact === null) return address;
  // The rest of loopback's network is nobody, and "::1" is what an operator looks for.
  if (!exact.includes(":") || exact === "::1") return exact;
  return normalizeNetwork(`${exact}/64`) ?? exact;
}
