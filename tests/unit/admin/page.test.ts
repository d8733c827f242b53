/** The dashboard's page without a browser: its files belong together, and its words are the gateway's. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { pageAssets } from "../../../src/admin/page-assets.ts";
import { BOTTLENECKS } from "../../../src/data/bottleneck.ts";
import type { SessionPortRow } from "../../../src/admin/answers.ts";

const root = join(import.meta.dirname, "../../..");
const assets = pageAssets();
const bodies = [...assets].map(([path, { body }]) => ({ path, body }));
const scripts = bodies.filter(({ path }) => path.endsWith(".js"));
const html = assets.get("/")!.body;

/** The page's modules are JavaScript for a browser, so their types are said here. */
async function load<Module>(name: string): Promise<Module> {
  return await import(join(root, "src/admin/page", name)) as Module;
}

test("everything that the page and its modules name is there, and nothing else is", () => {
  const named = new Set(["/"]);
  for (const [, path] of html.matchAll(/(?:src|href)="(page\/[^"]+)"/g)) named.add(`/${path}`);
  for (const { body } of scripts) {
    for (const [, file] of body.matchAll(/(?:from|^import) "\.\/([^"]+)"/gm)) {
      named.add(`/page/${file}`);
    }
  }
  expect([...assets.keys()].toSorted()).toEqual([...named].toSorted());
});

test("nothing is inline, nothing is fetched from elsewhere and nothing is made of markup", () => {
  expect(html).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/);
  for (const { path, body } of bodies) {
    const elsewhere = body.replaceAll("http://www.w3.org/2000/svg", "");
    expect([path, /\b(?:https?:|wss?:)?\/\/[a-z0-9]/i.exec(withoutComments(elsewhere))]).toEqual([
      path,
      null,
    ]);
  }
  const markup = /innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function/;
  expect(scripts.filter(({ body }) => markup.test(body)).map(({ path }) => path)).toEqual([]);
  expect(bodies.filter(({ body }) => /tabindex="[1-9]|tabIndex = [1-9]/.test(body))).toEqual([]);
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[^]*?\*\/|(?<=^|\s)\/\/ .*/g, "");
}

test("every id that a script asks for stands in the page once, and every reference has its id", () => {
  const ids = [...html.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id);
  expect(ids.length).toBe(new Set(ids).size);
  const main = assets.get("/page/main.js")!.body;
  const asked = [...main.matchAll(/(?:byId|element)\(\s*"([^"]+)"/g)].map(([, id]) => id);
  expect(asked.length).toBeGreaterThan(20);
  expect(asked.filter((id) => !ids.includes(id))).toEqual([]);
  const referred = [...html.matchAll(/(?:aria-\w+by|href)="#?([\w-]+)"/g)]
    .map(([, id]) => id)
    .filter((id) => !id.includes("/"));
  expect(referred.filter((id) => !ids.includes(id))).toEqual([]);
});

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => readFileSync(join(root, "src", name), "utf8"));

test("every word of a refusal is one that the gateway logs, and every rejection has its meaning", async () => {
  const { REFUSALS } = await load<{ REFUSALS: Record<string, string> }>("words.js");
  const plane = readFileSync(join(root, "src/data/plane.ts"), "utf8");
  const [declared] = /export type RejectStatus =[^;]+;/.exec(plane)!;
  const rejections = [...declared.matchAll(/\| "(\w+)"/g)].map(([, word]) => word);
  expect(rejections).toContain("hello_error");
  expect(rejections.filter((word) => !Object.hasOwn(REFUSALS, word))).toEqual([]);
  // One that only standing ports have stands in their types.
  rejections.push("no_server");
  const logged = (word: string) =>
    sources.some((text) => text.includes(`status: "${word}"`)) || rejections.includes(word);
  expect(Object.keys(REFUSALS).filter((word) => !logged(word))).toEqual([]);
});

test("whatever holds a session back is said in words", async () => {
  const { heldBackBy, streamHeldBackBy } = await load<{
    heldBackBy: (port: Partial<SessionPortRow>) => { text: string; trouble: boolean };
    streamHeldBackBy: (word: string) => string;
  }>("words.js");
  for (const word of BOTTLENECKS) {
    const at = { phase: "occupied", bottleneck_up: word, bottleneck_down: "idle" } as const;
    const { text, trouble } = heldBackBy(at);
    expect(text).not.toBe(trouble ? `up: ${word}` : word);
    expect(trouble).toBe(!["unknown", "idle", "sender"].includes(word));
    expect(streamHeldBackBy(word)).not.toBe(word);
  }
  const lost = { bottleneck_up: "network_in", bottleneck_down: "network_in" } as const;
  expect(heldBackBy({ phase: "occupied", ...lost }).text).toBe(
    "up: packets lost between client and relayx; down: packets lost between server and relayx",
  );
  expect(heldBackBy({ phase: "reserved", waiting: "server", ...lost }).text).toBe(
    "the server waits for its peer",
  );
});

test("figures are short and strangers' names are legible", async () => {
  const format = await load<{
    rate: (bps: number) => string;
    bytes: (value: number) => string;
    duration: (ms: number) => string;
    percent: (value: number) => string;
    legible: (text: string, length_max?: number) => string;
  }>("format.js");
  expect([0, 999, 999.9, 1000, 12_345, 9_996_000, 999_960, 27.6e9].map(format.rate)).toEqual([
    "0 bit/s",
    "999 bit/s",
    "1.00 kbit/s",
    "1.00 kbit/s",
    "12.3 kbit/s",
    "10.0 Mbit/s",
    "1.00 Mbit/s",
    "27.6 Gbit/s",
  ]);
  expect([0, 1023, 1024, 3 * 1024 ** 4, NaN, -1].map(format.bytes)).toEqual([
    "0 B",
    "1023 B",
    "1.00 KB",
    "3.00 TB",
    "0 B",
    "0 B",
  ]);
  expect([-5, 59_999, 60_000, 61_000, 3_600_000, 90_000_000].map(format.duration)).toEqual([
    "0 s",
    "59 s",
    "1 min",
    "1 min 1 s",
    "1 h",
    "1 d 1 h",
  ]);
  expect([0, 0.04, 0.31, 9.99, 100].map(format.percent)).toEqual([
    "0 %",
    "0.04 %",
    "0.3 %",
    "10.0 %",
    "100 %",
  ]);
  expect(format.legible("a\u202eb\n\u0000\ud800")).toBe("a\\u{202e}b\\u{a}\\u{0}\\u{d800}");
  expect(format.legible("x".repeat(65_536), 8)).toBe("xxxxxxxx… (65,536 characters)");
  expect(format.legible("😀".repeat(9), 8)).toBe(`${"😀".repeat(8)}… (18 characters)`);
  expect(format.legible("日本語 مرحبا", 32)).toBe("日本語 مرحبا");
});

test("the plot's steps are round, and blocked ports are named in runs", async () => {
  const { niceStep } = await load<{ niceStep: (value: number) => number }>("plot.js");
  expect([1, 1.1, 2.1, 5.1, 180, 2500, 99e6].map(niceStep)).toEqual([
    1,
    2,
    5,
    10,
    200,
    5000,
    100e6,
  ]);
  const { runsOf } = await load<{
    runsOf: (pool: { first: number; states: string }, letter: string) => string;
  }>("ports.js");
  expect(runsOf({ first: 2300, states: "bobbib" }, "b")).toBe("2300, 2302–2303, 2305");
  expect(runsOf({ first: 1, states: "oo" }, "b")).toBe("");
  expect(runsOf({ first: 1, states: "bi".repeat(10) }, "b")).toBe(
    "1, 3, 5, 7, 9, 11, 13, 15 and 2 more",
  );
});
