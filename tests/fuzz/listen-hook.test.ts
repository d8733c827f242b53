/**
 * The hook in C that reads stream ids during the handshake finds the name that our own parser finds,
 * whatever strangers send: in the library that ships, on both runtimes, and under the sanitizers.
 */
import { afterAll, expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ListenHook, openLibsrt } from "../../ffi/libsrt/mod.ts";
import { parseStreamId } from "../../src/data/srt/stream-id.ts";
import { within } from "../harness/deadline.ts";
import { announcedRandom } from "../harness/random.ts";
import { repository } from "../harness/runtime.ts";
import { almostStreamId } from "./stream-ids.ts";

const folder = mkdtempSync(join(tmpdir(), "relayx-hook-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Those that the two might see differently, and random ones. */
const corpus: readonly Buffer[] = (() => {
  const random = announcedRandom("listen hook fuzz");
  const chosen = [
    "",
    "#!::r=cam",
    "#!::r=cam,s=x",
    "#!::r=,s=x",
    "#!::s=x,m=bidirectional",
    "#!::r=x,m=bidirectional",
    "#!::r=x,m=",
    "#!::r=x,t=",
    "#!::r=x,t=file",
    "#!::r=x,r=x",
    "#!::r=x,zz=1,zz=2",
    "#!::r=x,zz=%f0%9f",
    "#!::,,r=x,,",
    "#!::r=a%2Cb%3dc",
    "#!::r=ca%00m",
    "#!::r=%",
    "#!::r=%4",
    "#!::%72=x",
    "%23!::r=x",
    "%23%21%3A%3Ar%3Dlive%252Fcam",
    "%23!::r=%zz",
    "%23%00!::r=x",
    "\ufeff#!::r=x",
    "publish:cam",
    "read:cam:key",
    "request:cam:user:key",
    "request:cam:user:key:more",
    "publish:",
    "publish::x",
    "publish:%63am",
    "subscribe:cam",
    `#!::r=${"x".repeat(506)}`,
    `#!::r=${"x".repeat(507)}`,
    `#!::${"a=,".repeat(169)}`,
    `#!::${Array.from({ length: 90 }, (_, i) => `k${i}=`).join(",")},r=x`,
    `${"%23".repeat(170)}`,
    `publish:${"x".repeat(504)}`,
  ].map((text) => Buffer.from(text));
  return [...chosen, ...Array.from({ length: 30_000 }, () => almostStreamId(random))];
})();

/** What our own parser takes a stream id to name, as the hook writes it. */
function expected(bytes: Uint8Array): string {
  const id = parseStreamId(bytes);
  if (id.type === "stream") return Buffer.from(`r${id.name}`).toString("hex");
  return id.type === "session" ? Buffer.from(`s${id.session_id}`).toString("hex") : "";
}

function differences(found: readonly string[]): string[] {
  expect(found).toHaveLength(corpus.length);
  return corpus.filter((bytes, at) => found[at] !== expected(bytes))
    .map((bytes) => bytes.toString("hex"));
}

function framed(): Buffer {
  return Buffer.concat(
    corpus.flatMap((bytes) => [Buffer.from([bytes.length & 255, bytes.length >> 8]), bytes]),
  );
}

/** Runs a program to its end with this input; what it wrote. */
async function run(program: string, args: string[], input: Buffer = Buffer.alloc(0)) {
  const child = spawn(program, args, { cwd: repository, stdio: ["pipe", "pipe", "pipe"] });
  const told: Buffer[] = [];
  let complained = "";
  child.stdout.on("data", (data) => told.push(data));
  child.stderr.on("data", (data) => complained += data);
  // It may end before it has read everything, which its code says better.
  child.stdin.on("error", () => {});
  child.stdin.end(input);
  const code = await within(
    program,
    new Promise((resolve) => child.on("close", resolve)),
    60_000,
  );
  expect({ code, complained }).toEqual({ code: 0, complained: "" });
  return Buffer.concat(told).toString();
}

test("the fuzz comes near the grammar", () => {
  const named = corpus.map(expected);
  for (const letter of ["72", "73"]) {
    expect(named.filter((name) => name.startsWith(letter)).length).toBeGreaterThan(300);
  }
  expect(named.filter((name) => name === "").length).toBeGreaterThan(300);
});

test("the library that ships names what our own parser names", () => {
  const hook = new ListenHook({ calls: openLibsrt().listenHook! });
  const found = corpus.map((bytes) => Buffer.from(hook.parse(bytes)).toString("hex"));
  expect(differences(found)).toEqual([]);
});

test("so it does when Deno asks it", async () => {
  const deno = `${repository}node_modules/.bin/deno`;
  const told = await run(deno, [
    "run",
    "--allow-all",
    join(import.meta.dirname, "listen-hook-names.ts"),
  ], framed());
  expect(differences(told.split("\n").slice(0, -1))).toEqual([]);
}, 60_000);

test("so it does under the sanitizers, and its table keeps what it is given", async () => {
  const program = join(folder, "listen-hook");
  await run("gcc", [
    ...["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Werror"],
    ...["-fsanitize=address,undefined", "-fno-sanitize-recover=all"],
    ...["ffi/libsrt/listen-hook.c", "tests/fuzz/listen-hook-main.c", "-o", program],
  ]);
  const told = await run(program, [], framed());
  expect(differences(told.split("\n").slice(0, -1))).toEqual([]);
}, 60_000);
