import { expect, test } from "bun:test";
import { closeSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { openLibc } from "../../../ffi/libc/mod.ts";
import { libsrtCandidates } from "../../../ffi/libsrt/locate.ts";
import { openLibsrt } from "../../../ffi/libsrt/mod.ts";

const libc = openLibc();
const built = fileURLToPath(new URL("../../../dist/libsrt.so", import.meta.url));

test("an override wins and is the only one", () => {
  const embedded = { file: built, package: "embedded 1" };
  expect(libsrtCandidates({ libc, override: "/opt/libsrt.so", embedded })).toEqual([
    { path: "/opt/libsrt.so", origin: "override", package: null },
  ]);
});

test("the embedded library is unpacked into memory, byte by byte, and opens", () => {
  const embedded = { file: built, package: "libsrt-openssl-dev 1.5.1-1+deb12u2" };
  const [location, ...others] = libsrtCandidates({ libc, embedded });
  expect(others.map((one) => one.origin)).toEqual(["system", "system", "system", "system"]);
  expect(location).toMatchObject({ origin: "embedded", package: embedded.package });
  const descriptor = Number(/^\/proc\/self\/fd\/(\d+)$/.exec(location.path)?.[1]);
  expect(readFileSync(location.path).equals(readFileSync(built))).toBe(true);
  const libsrt = openLibsrt({ at: location });
  expect(libsrt.version).toMatchObject({ version: expect.stringMatching(/^1\.5\.\d+$/) });
  expect(libsrt.location).toBe(location);
  closeSync(descriptor);
});

test("without an embedded one, what was built comes first and then the system's in order", () => {
  const found = libsrtCandidates({ libc, embedded: null });
  const [first, ...system] = found[0].origin === "built" ? found : [null, ...found];
  if (first) expect(first).toMatchObject({ path: built, origin: "built" });
  expect(system.map((one) => one?.path)).toEqual([
    "libsrt.so.1.5",
    "libsrt-gnutls.so.1.5",
    "libsrt.so.1",
    "libsrt.so",
  ]);
  expect(system.every((one) => one?.origin === "system")).toBe(true);
});

test("an override that does not open is named with the reason, and what to do", () => {
  const open = () => openLibsrt({ libc, override: "/nowhere/libsrt.so.1.5" });
  expect(open).toThrow("/nowhere/libsrt.so.1.5 (override)");
  expect(open).toThrow("RELAYX_LIBSRT");
  expect(open).toThrow("Cannot open libsrt 1.5 or later; tried ");
});

test("a library that is not libsrt is refused, not called", () => {
  expect(() => openLibsrt({ libc, override: "libm.so.6" })).toThrow("libm.so.6 (override): ");
});
