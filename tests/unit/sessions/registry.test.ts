import { describe, expect, test } from "bun:test";
import { ID_CHARS_IN_ALL_MAX, Registry } from "../../../src/sessions/registry.ts";
import { FakeParty } from "./fixture.ts";

const NOTHING = new Map();

function server(id: string, max_conn: number): FakeParty {
  return new FakeParty({ role: "server", id, max_conn });
}

describe("Registry", () => {
  test("a server and a client share an id, two of one role do not", () => {
    const registry = new Registry();
    registry.add(server("x", 1));
    registry.add(new FakeParty({ role: "client", id: "x" }));
    expect(registry.has("server", "x")).toBe(true);
    expect(() => registry.add(server("x", 1))).toThrow();
    expect(registry.size).toBe(2);
  });

  test("chooses the most room, ties by lowest id", () => {
    const registry = new Registry();
    for (const party of [server("b", 3), server("c", 3), server("a", 2)]) registry.add(party);
    const choose = () => registry.choose({ server_id: "", ports: 1, claimed: NOTHING })?.id;
    expect(choose()).toBe("b");
    registry.usePorts("b", 1);
    expect(choose()).toBe("c");
    registry.usePorts("c", 2);
    expect(choose()).toBe("a");
  });

  test("needs room for both ports, but no more than the server has in all", () => {
    const registry = new Registry();
    registry.add(server("one", 1));
    const choose = () => registry.choose({ server_id: "", ports: 2, claimed: NOTHING })?.id;
    expect(choose()).toBe("one");
    registry.usePorts("one", 2);
    expect(choose()).toBeUndefined();
    registry.add(server("three", 3));
    registry.usePorts("three", 2);
    expect(choose()).toBeUndefined();
    registry.usePorts("three", -1);
    expect(choose()).toBe("three");
  });

  test("ids may be long, but not all of them", () => {
    const registry = new Registry();
    const long = server("x".repeat(ID_CHARS_IN_ALL_MAX - 3), 1);
    registry.add(long);
    expect([registry.hasSpaceFor("abc"), registry.hasSpaceFor("abcd")]).toEqual([true, false]);
    registry.delete(long);
    expect(registry.hasSpaceFor("abcd")).toBe(true);
  });

  test("ports in use are counted by id and outlive the connection", () => {
    const registry = new Registry();
    const before = server("s", 2);
    registry.add(before);
    registry.usePorts("s", 2);
    registry.delete(before);
    expect(registry.roomInAll).toBe(0);
    const after = server("s", 3);
    registry.add(after);
    expect(registry.room(after)).toBe(1);
    expect(registry.roomInAll).toBe(1);
    registry.usePorts("s", -2);
    expect(registry.roomInAll).toBe(3);
    expect(registry.delete(before)).toBe(false);
    expect(registry.isOnline(after)).toBe(true);
  });
});
