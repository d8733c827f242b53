/** Where a visitor is taken to come from, and when it is taken to be on this machine. */
import { expect, test } from "bun:test";
import { Socket } from "node:net";
import { Visitor } from "../../../src/control/visitor.ts";

function visitor(address: string, local_address = "192.0.2.1"): Visitor {
  const socket = new Socket();
  Object.defineProperty(socket, "localAddress", { value: local_address });
  Object.defineProperty(socket, "remotePort", { value: 40_000 });
  return new Visitor({ socket, address });
}

test("who comes itself is on this machine if the kernel says so", () => {
  expect(visitor("127.0.0.1").is_local).toBe(true);
  expect(visitor("::1").is_local).toBe(true);
  expect(visitor("::ffff:127.0.0.9").is_local).toBe(true);
  expect(visitor("192.0.2.1").is_local).toBe(true);
  expect(visitor("192.0.2.2").is_local).toBe(false);
  expect(visitor("128.0.0.1").is_local).toBe(false);
  expect(visitor("2001:db8::1").remote).toBe("[2001:db8::1]:40000");
  expect(visitor("192.0.2.2").remote).toBe("192.0.2.2:40000");
});

test("who comes through a proxy is so only if the proxy is, and says so", () => {
  const through = (proxy: string, host: string | null) => {
    const one = visitor(proxy);
    one.announce(host === null ? null : { host, port: 7 });
    return one;
  };
  expect(through("127.0.0.1", "127.0.0.1").is_local).toBe(true);
  expect(through("::1", "::1").is_local).toBe(true);
  expect(through("192.0.2.1", "127.0.0.1").is_local).toBe(true);
  // A distant proxy's own machine is not ours.
  expect(through("192.0.2.9", "127.0.0.1").is_local).toBe(false);
  expect(through("127.0.0.1", "192.0.2.7").is_local).toBe(false);
  expect(through("127.0.0.1", "192.0.2.1").is_local).toBe(false);
  expect(through("127.0.0.1", null).is_local).toBe(false);

  const far = through("192.0.2.9", "2001:db8::7");
  expect([far.remote, far.address, far.proxy]).toEqual([
    "[2001:db8::7]:7",
    "2001:db8::7",
    "192.0.2.9",
  ]);
  const unknown = through("192.0.2.9", null);
  expect([unknown.remote, unknown.proxy]).toEqual(["192.0.2.9:40000", "192.0.2.9"]);
});
