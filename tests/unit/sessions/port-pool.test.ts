import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { PortPool } from "../../../src/sessions/port-pool.ts";

describe("PortPool", () => {
  test("gives the lowest idle port, also after ports came back out of order", () => {
    const pool = new PortPool({ kind: "zmq", first: 2300, last: 2303 });
    expect([pool.reserve(), pool.reserve(), pool.reserve(), pool.reserve(), pool.reserve()])
      .toEqual([2300, 2301, 2302, 2303, null]);
    pool.free(2302);
    pool.free(2301);
    expect([pool.reserve(), pool.reserve()]).toEqual([2301, 2302]);
  });

  test("a range that crosses the words of the map and ends inside one", () => {
    const pool = new PortPool({ kind: "zmq", first: 65_436, last: 65_535 });
    for (let port = 65_436; port <= 65_535; port++) expect(pool.reserve()).toBe(port);
    expect(pool.reserve()).toBeNull();
    pool.free(65_535);
    expect(pool.reserve()).toBe(65_535);
  });

  test("a blocked port is given to nobody until it is freed", () => {
    const pool = new PortPool({ kind: "srt", first: 1, last: 2 });
    expect(pool.reserve()).toBe(1);
    pool.block(1);
    expect(pool.state(1)).toBe("blocked");
    expect([pool.reserve(), pool.reserve()]).toEqual([2, null]);
    expect(pool.blocked(10)).toEqual([1]);
    pool.free(1);
    expect(pool.reserve()).toBe(1);
  });

  test("blocked ports are listed a few at a time, round the end of the range", () => {
    const pool = new PortPool({ kind: "srt", first: 10, last: 14 });
    for (let port = 10; port <= 14; port++) pool.block(pool.reserve() ?? 0);
    expect(pool.blocked(3)).toEqual([10, 11, 12]);
    expect(pool.blocked(3, 13)).toEqual([13, 14, 10]);
  });

  test("a port that is not of the range or not reserved is our own mistake and says so", () => {
    const pool = new PortPool({ kind: "zmq", first: 10, last: 11 });
    expect(() => pool.free(12)).toThrow("port 12 is not one of zmq 10-11");
    expect(() => pool.occupy(10)).toThrow("port 10 is idle");
  });

  test("any sequence of moves keeps lowest-first and the counts true", () => {
    const seed = Date.now();
    console.log(`port pool seed ${seed}`);
    const move = fc.record({
      act: fc.constantFrom("reserve", "occupy", "free", "block"),
      at: fc.nat(99),
    });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 100 }),
        fc.array(move, { maxLength: 300 }),
        (n, acts) => {
          const pool = new PortPool({ kind: "zmq", first: 500, last: 499 + n });
          const model: string[] = new Array(n).fill("idle");
          for (const { act, at } of acts) {
            const i = at % n;
            if (act === "reserve") {
              const lowest = model.indexOf("idle");
              expect(pool.reserve()).toBe(lowest < 0 ? null : 500 + lowest);
              if (lowest >= 0) model[lowest] = "reserved";
            } else if (act === "occupy" && model[i] === "reserved") {
              pool.occupy(500 + i);
              model[i] = "occupied";
            } else if (act === "free") {
              pool.free(500 + i);
              model[i] = "idle";
            } else if (act === "block" && model[i] === "reserved") {
              pool.block(500 + i);
              model[i] = "blocked";
            }
          }
          const count = (state: string) => model.filter((found) => found === state).length;
          expect(pool.counts()).toEqual({
            total: n,
            idle: count("idle"),
            reserved: count("reserved"),
            occupied: count("occupied"),
            blocked: count("blocked"),
          });
        },
      ),
      { seed, numRuns: 200 },
    );
  });

  test("a smaller range keeps what is in use outside it until it is freed", () => {
    const pool = new PortPool({ kind: "zmq", first: 10, last: 14 });
    for (let i = 0; i < 5; i++) pool.reserve();
    pool.occupy(14);
    pool.block(13);
    pool.free(10);
    pool.resize(10, 11);
    expect(pool.counts()).toEqual({ total: 4, idle: 1, reserved: 2, occupied: 1, blocked: 0 });
    expect(pool.letters()).toBe("irll");
    expect([pool.state(14), pool.has(13), pool.has(12)]).toEqual(["occupied", false, true]);
    pool.occupy(12);
    pool.free(12);
    pool.free(14);
    expect([pool.has(12), pool.has(14), pool.counts().total]).toEqual([false, false, 2]);
    expect([pool.reserve(), pool.reserve()]).toEqual([10, null]);
  });

  test("a range may grow, move and come back round ports in use", () => {
    const pool = new PortPool({ kind: "zmq", first: 10, last: 11 });
    expect(pool.reserve()).toBe(10);
    pool.resize(20, 21);
    expect([pool.reserve(), pool.reserve(), pool.reserve()]).toEqual([20, 21, null]);
    pool.resize(9, 12);
    expect(pool.letters()).toBe("iriill");
    expect([pool.reserve(), pool.reserve(), pool.reserve(), pool.reserve()])
      .toEqual([9, 11, 12, null]);
  });
});
