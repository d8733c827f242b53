/**
 * Sets of IP addresses, written as addresses and networks: `192.0.2.7`, `10.0.0.0/8`,
 * `2001:db8::/32`. Who is trusted, banned or allowed is asked of one of these.
 *
 * An IPv4 peer of a dual-stack socket (`::ffff:192.0.2.7`) is the IPv4 address it stands for,
 * everywhere. IPv4 and IPv6 are apart: `::/0` is every IPv6 address and no IPv4 one. The zone of a
 * link-local address (`fe80::1%eth0`) says which cable it came by and not who it is, and is left out.
 */
import { isIPv4, isIPv6 } from "node:net";

/** The bits of an address of each family. */
const BITS = { 4: 32, 6: 128 } as const;
/** `::ffff:0:0/96`, under which IPv6 writes IPv4 addresses. */
const MAPPED = 0xffffn;

type Family = keyof typeof BITS;

/** An address as a number of its family's bits. */
interface Address {
  family: Family;
  value: bigint;
}

interface Network extends Address {
  /** How many of the first bits count; `value` has nothing in the others. */
  prefix_bits: number;
}

export class AddressSet {
  /**
   * By family and prefix length the networks' first bits: a question costs one look per length that
   * is in use, however many networks there are.
   */
  readonly #networks: Record<Family, Map<number, Set<bigint>>> = { 4: new Map(), 6: new Map() };
  #size = 0;

  /** Throws a RangeError on anything that {@link normalizeNetwork} does not take. */
  constructor(networks: Iterable<string> = []) {
    this.add(networks);
  }

  /** How many different networks there are. */
  get size(): number {
    return this.#size;
  }

  /** Throws a RangeError like the constructor, and has added those before it then. */
  add(networks: Iterable<string>): void {
    for (const text of networks) {
      const network = parseNetwork(text);
      if (network === null) throw new RangeError(`Cannot use "${text}": no address or network`);
      const { family, prefix_bits, value } = network;
      const same_length = this.#networks[family].get(prefix_bits) ?? new Set();
      this.#networks[family].set(prefix_bits, same_length);
      if (same_length.has(value)) continue;
      same_length.add(value);
      this.#size++;
    }
  }

  /** Takes these very networks out; one that is part of a larger one is still in that. */
  delete(networks: Iterable<string>): void {
    for (const text of networks) {
      const network = parseNetwork(text);
      const same_length = network && this.#networks[network.family].get(network.prefix_bits);
      if (!network || !same_length?.delete(network.value)) continue;
      this.#size--;
      if (same_length.size === 0) this.#networks[network.family].delete(network.prefix_bits);
    }
  }

  /** Whether an address is one of them; text that is none is not. */
  has(address: string): boolean {
    if (this.#size === 0) return false;
    const parsed = parseAddress(address);
    if (parsed === null) return false;
    for (const [prefix_bits, values] of this.#networks[parsed.family]) {
      if (values.has(firstBits(parsed, prefix_bits))) return true;
    }
    return false;
  }
}

/**
 * The one way to write an address or a network, so that two spellings of one are the same text: the
 * bits behind the prefix are zero, IPv6 is written as RFC 5952 has it, and a network of a single
 * address is that address. Null where the text is neither.
 */
export function normalizeNetwork(text: string): string | null {
  const network = parseNetwork(text);
  if (network === null) return null;
  const { family, value, prefix_bits } = network;
  const address = family === 4 ? ipv4Text(value) : ipv6Text(value);
  return prefix_bits === BITS[family] ? address : `${address}/${prefix_bits}`;
}

function parseNetwork(text: string): Network | null {
  const match = /^([^/]+)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text);
  const address = match && parseAddress(match[1]);
  if (!address) return null;
  // A prefix of a mapped address counts the 96 bits before it as well.
  const mapped_bits = address.family === 4 && match[1].includes(":") ? 96 : 0;
  const bits = BITS[address.family];
  const prefix_bits = match[2] === undefined ? bits : Number(match[2]) - mapped_bits;
  if (prefix_bits < 0 || prefix_bits > bits) return null;
  const unused = BigInt(bits - prefix_bits);
  return { ...address, value: address.value >> unused << unused, prefix_bits };
}

function parseAddress(text: string): Address | null {
  if (isIPv4(text)) return { family: 4, value: joined(text.split(".").map(Number), 8n) };
  if (!isIPv6(text)) return null;
  const value = ipv6Value(text.replace(/%.*$/, ""));
  return value >> 32n === MAPPED
    ? { family: 4, value: value & 0xffff_ffffn }
    : { family: 6, value };
}

/** Of an address that is known to be one. */
function ipv6Value(text: string): bigint {
  const [left, right] = text.split("::").map(ipv6Words);
  if (right === undefined) return joined(left, 16n);
  return joined([...left, ...Array<number>(8 - left.length - right.length).fill(0), ...right], 16n);
}

/** The 16-bit words of one side of a `::`; the last 32 bits may be written as IPv4. */
function ipv6Words(side: string): number[] {
  return side === "" ? [] : side.split(":").flatMap((word) => {
    if (!word.includes(".")) return [parseInt(word, 16)];
    const [a, b, c, d] = word.split(".").map(Number);
    return [a << 8 | b, c << 8 | d];
  });
}

function joined(parts: readonly number[], bits: bigint): bigint {
  return parts.reduce((value, part) => value << bits | BigInt(part), 0n);
}

function firstBits({ family, value }: Address, prefix_bits: number): bigint {
  const unused = BigInt(BITS[family] - prefix_bits);
  return value >> unused << unused;
}

function ipv4Text(value: bigint): string {
  return [24n, 16n, 8n, 0n].map((shift) => value >> shift & 0xffn).join(".");
}

function ipv6Text(value: bigint): string {
  const words = Array.from({ length: 8 }, (_, i) => value >> BigInt(112 - 16 * i) & 0xffffn);
  // The URL standard's way to write the host of an IPv6 address is the one of RFC 5952.
  return new URL(`http://[${words.map((word) => word.toString(16)).join(":")}]/`).hostname
    .slice(1, -1);
}
