/** The folder of the sockets behind TLS: whose it is, and what becomes of those of the dead. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import process from "node:process";
import { SocketFolder } from "../../../../../src/data/fastway/door/socket-folder.ts";

let parent: string;
beforeEach(() => parent = mkdtempSync(join(tmpdir(), "relayx-folder-")));
afterEach(() => rmSync(parent, { recursive: true, force: true }));

test("only its user can enter it, and nothing is left of it", () => {
  const folder = new SocketFolder(parent);
  expect(statSync(folder.path).mode & 0o7777).toBe(0o700);
  expect(folder.file("client")).toBe(join(folder.path, "client"));
  folder.close();
  expect(existsSync(folder.path)).toBe(false);
});

test("those of the dead are removed; those of the living, of others and of elsewhere stay", async () => {
  const living = new SocketFolder(parent);
  const [, , namespace] = basename(living.path).split("-");
  const started = basename(living.path).split("-")[4];
  const child = spawn("true");
  const { pid } = child;
  await new Promise((resolve) => child.once("close", resolve));
  const make = (name: string) => {
    mkdirSync(join(parent, name));
    return join(parent, name);
  };
  const dead = make(`relayx-door-${namespace}-${pid}-1234-abcdef`);
  // The number of a process has been given to another one since.
  const reused = make(`relayx-door-${namespace}-${process.pid}-${Number(started) - 1}-abcdef`);
  const elsewhere = make(`relayx-door-1-${pid}-1234-abcdef`);
  const other = make("relayx-door-x");
  const next = new SocketFolder(parent);
  expect([dead, reused, elsewhere, other, living.path].map((path) => existsSync(path)))
    .toEqual([false, false, true, true, true]);
  next.close();
  living.close();
});

test("a place whose name is too long for a socket is refused in words", () => {
  const deep = join(parent, "x".repeat(60));
  mkdirSync(deep);
  expect(() => new SocketFolder(deep)).toThrow(/set TMPDIR/);
});
