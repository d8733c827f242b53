import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { within } from "../../harness/deadline.ts";
import { repository } from "../../harness/runtime.ts";

const fixture = fileURLToPath(new URL("./native-fixture.ts", import.meta.url));
const tools = `${repository}node_modules/.bin/`;

async function outputOf(program: string, args: string[]) {
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], cwd: repository });
  let told = "";
  let complained = "";
  child.stdout.on("data", (data) => told += data);
  child.stderr.on("data", (data) => complained += data);
  const code = await within(
    program,
    new Promise<number | null>((resolve) => child.on("close", resolve)),
    30_000,
  );
  if (code !== 0) throw new Error(`${program} ended with ${code}: ${complained}`);
  return JSON.parse(told) as { runtime: string; out: Record<string, unknown> };
}

test("native calls do the same on Bun and on Deno", async () => {
  const [bun, deno] = await Promise.all([
    outputOf(`${tools}bun`, [fixture]),
    outputOf(`${tools}deno`, ["run", "--allow-all", fixture]),
  ]);
  expect([bun.runtime, deno.runtime]).toEqual(["bun", "deno"]);
  expect(deno.out).toEqual(bun.out);
  expect(bun.out).toMatchObject({
    close: [-1, "close of nothing: not an open descriptor (EBADF)"],
    eventfd: [8, String(2n ** 40n + 3n)],
    eventfdEmpty: [-1, 11],
    epollNone: 0,
    epoll: [1, 1, 7, -8],
    poll: [1, 0x0001_0001],
    pipeSize: 131_072,
    ioctl: [0, 17],
    splice: 17,
    read: [17, "through two pipes"],
    spliceEmpty: [-1, 11],
    part: "..part..",
    setsockopt: 0,
    getsockopt: [0, 1, 4],
    bind: [0, 0],
    accept: [-1, 11],
    recv: [-1, "ENOTCONN"],
    sendto: [5, 5, "hello"],
    clock: [0, true, true],
    srtOption: 321,
    srtUnknown: null,
  });
}, 40_000);
