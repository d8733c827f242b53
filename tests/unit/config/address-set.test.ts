import { expect, test } from "bun:test";
import { BlockList } from "node:net";
import { AddressSet, normalizeNetwork } from "../../../src/config/address-set.ts";
import { announcedRandom, type Random } from "../../harness/random.ts";

test("addresses and networks are found, and their neighbours are not", () => {
  const set = new AddressSet(["192.0.2.7", "10.0.0.0/8", "2001:db8::/32", "::1", "fe80::/10"]);
  expect(set.size).toBe(5);
  for (
    const inside of [
      "192.0.2.7",
      "10.255.255.255",
      "2001:db8:ffff::9",
      "::1",
      "fe80::1%eth0",
      // The IPv4 peer of a dual-stack socket.
      "::ffff:10.1.2.3",
      "::ffff:c000:207",
    ]
  ) expect(set.has(inside), inside).toBe(true);
  for (
    const outside of [
      "192.0.2.6",
      "192.0.2.8",
      "9.255.255.255",
      "11.0.0.0",
      "2001:db7:ffff::9",
      "::2",
      "::10.1.2.3",
      "",
      "somewhere",
      "10.0.0.0/8",
      "unknown",
    ]
  ) expect(set.has(outside), outside).toBe(false);
});

test("everything of one family is nothing of the other", () => {
  expect(new AddressSet(["0.0.0.0/0"]).has("203.0.113.9")).toBe(true);
  expect(new AddressSet(["0.0.0.0/0"]).has("2001:db8::1")).toBe(false);
  expect(new AddressSet(["::/0"]).has("2001:db8::1")).toBe(true);
  expect(new AddressSet(["::/0"]).has("203.0.113.9")).toBe(false);
  expect(new AddressSet(["::/0"]).has("::ffff:203.0.113.9")).toBe(false);
  expect(new AddressSet([]).has("203.0.113.9")).toBe(false);
});

test("what is taken out is out, and nothing else is", () => {
  const set = new AddressSet(["10.0.0.0/8", "10.1.0.0/16", "10.1.2.3"]);
  set.delete(["10.0.0.0/8", "10.9.9.9", "nonsense", "2001:db8::/32"]);
  expect(set.size).toBe(2);
  expect([set.has("10.1.2.3"), set.has("10.1.9.9"), set.has("10.2.0.1")]).toEqual([
    true,
    true,
    false,
  ]);
  set.delete(["10.1.0.0/16"]);
  expect([set.has("10.1.2.3"), set.has("10.1.9.9")]).toEqual([true, false]);
  set.add(["::ffff:10.0.0.0/104"]);
  expect([set.size, set.has("10.2.0.1")]).toEqual([2, true]);
  set.delete(["10.0.0.0/8", "10.1.2.3/32"]);
  expect([set.size, set.has("10.1.2.3")]).toEqual([0, false]);
});

test("two spellings of one network are one text and one entry", () => {
  const spellings: [written: string, normal: string][] = [
    ["192.0.2.7", "192.0.2.7"],
    ["192.0.2.7/32", "192.0.2.7"],
    ["10.1.2.3/8", "10.0.0.0/8"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::ffff:10.1.2.3/104", "10.0.0.0/8"],
    ["::FFFF:0:0/96", "0.0.0.0/0"],
    ["2001:DB8:0:0:0:0:0:1", "2001:db8::1"],
    ["2001:db8::1/128", "2001:db8::1"],
    ["2001:db8::1/32", "2001:db8::/32"],
    ["::/0", "::/0"],
    ["fe80::1%eth0", "fe80::1"],
    ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
  ];
  for (const [written, normal] of spellings) expect(normalizeNetwork(written)).toBe(normal);
  expect(new AddressSet(["10.1.2.3/8", "10.0.0.0/8", "::ffff:10.9.9.9/104"]).size).toBe(1);
});

test("what is neither an address nor a network is refused", () => {
  for (
    const wrong of [
      "",
      " 10.0.0.1",
      "10.0.0.1 ",
      "10.0.0",
      "10.0.0.256",
      "010.0.0.1",
      "10.0.0.0/",
      "10.0.0.0/33",
      "10.0.0.0/08",
      "10.0.0.0/-1",
      "10.0.0.0/8/8",
      "/8",
      "::ffff:10.0.0.0/95",
      "2001:db8::/129",
      "2001:db8:::",
      "localhost",
      "example.com",
      "*",
    ]
  ) {
    expect(normalizeNetwork(wrong), wrong).toBe(null);
    expect(() => new AddressSet([wrong]), wrong).toThrow("no address or network");
  }
});

/** With few different bits, so that hits are as frequent as misses. */
function randomAddress(random: Random, family: "ipv4" | "ipv6"): string {
  return family === "ipv4"
    ? Array.from({ length: 4 }, () => random.pick([0, 1, 128, 255])).join(".")
    // The first word is never 0: what a list of the runtime does with mapped addresses is its own.
    : ["2001", ...Array.from({ length: 7 }, () => random.pick(["0", "1", "8000", "ffff"]))]
      .join(":");
}

test("the runtime's own list agrees on random networks and addresses", () => {
  const random = announcedRandom("address set against BlockList");
  let hits = 0;
  for (let round = 0; round < 300; round++) {
    const family = random.pick(["ipv4", "ipv6"] as const);
    const list = new BlockList();
    const networks: string[] = [];
    for (let count = random.int(1, 4); count > 0; count--) {
      const address = randomAddress(random, family);
      const prefix_bits = random.int(0, family === "ipv4" ? 32 : 128);
      list.addSubnet(address, prefix_bits, family);
      networks.push(`${address}/${prefix_bits}`);
    }
    const set = new AddressSet(networks);
    const rewritten = new AddressSet(networks.map((one) => normalizeNetwork(one)!));
    for (let question = 0; question < 10; question++) {
      const address = randomAddress(random, family);
      const found = set.has(address);
      expect(found, `${address} in ${networks}`).toBe(list.check(address, family));
      expect(rewritten.has(address)).toBe(found);
      if (found) hits++;
    }
  }
  expect(hits).toBeGreaterThan(100);
});
