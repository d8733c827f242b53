import { expect, test } from "bun:test";
import { constants } from "node:os";
import { errnoName, openLibc, SystemCallError } from "../../../ffi/libc/mod.ts";
import { SrtError, srtErrorName } from "../../../ffi/libsrt/mod.ts";

test("the names are the system's", () => {
  const known = Object.entries(constants.errno).filter(([, number]) =>
    !errnoName(number).startsWith("errno ")
  );
  expect(known.length).toBeGreaterThan(20);
  for (const [name, number] of known) {
    // Two names may share a number (EWOULDBLOCK and EAGAIN); ours is one of them.
    expect(constants.errno[errnoName(number) as keyof typeof constants.errno]).toBe(number);
    expect(name.startsWith("E")).toBe(true);
  }
});

test("a number without a name stays a number", () => {
  expect(errnoName(4095)).toBe("errno 4095");
  expect(new SystemCallError("bind", 4095).message).toBe("bind: failed (errno 4095)");
});

test("an error says the call, what it was about, and why", () => {
  const error = new SystemCallError("bind", 98, "127.0.0.1:2300");
  expect(error.message).toBe("bind 127.0.0.1:2300: address already in use (EADDRINUSE)");
  expect([error.code, error.errno]).toEqual(["EADDRINUSE", 98]);
});

test("errno is that of the call before", () => {
  const libc = openLibc();
  expect(libc.close(-1)).toBe(-1);
  expect(libc.failure("close").code).toBe("EBADF");
  expect(libc.fcntl(0, 999_999, 0)).toBe(-1);
  expect(libc.failure("fcntl").code).toBe("EINVAL");
});

test("libsrt's errors carry its name, or the system's where there is one", () => {
  expect(srtErrorName(6001)).toBe("SRT_EASYNCSND");
  expect(srtErrorName(4711)).toBe("libsrt error 4711");
  const own = new SrtError("srt_bind", 5015, "in conflict");
  expect([own.message, own.code]).toEqual([
    "srt_bind: in conflict (SRT_EBINDCONFLICT)",
    "SRT_EBINDCONFLICT",
  ]);
  const system = new SrtError("srt_bind", 1003, "cannot", "EADDRINUSE");
  expect([system.message, system.code, system.number]).toEqual([
    "srt_bind: cannot (EADDRINUSE)",
    "EADDRINUSE",
    1003,
  ]);
});
