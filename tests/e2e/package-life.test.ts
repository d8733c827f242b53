/**
 * The Debian package's whole life in a system of its own: from the installation over a start as the
 * unit says, an upgrade and the removal to the purge.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import product from "../../package.json" with { type: "json" };
import { within } from "../harness/deadline.ts";
import { claimPorts } from "../harness/free-ports.ts";
import { makePackage, package_path, System } from "../harness/package.ts";
import { plainEnvironment } from "../harness/runtime.ts";
import { Supervisor } from "../harness/supervisor.ts";

setDefaultTimeout(60_000);

const shell = (command: string, ...args: string[]) =>
  execFileSync(command, args, { encoding: "utf8", env: plainEnvironment({ LC_ALL: "C.UTF-8" }) });
const as_root = process.getuid?.() === 0;
const config = "etc/relayx/config.yaml";
const wanted_by = "etc/systemd/system/multi-user.target.wants/relayx.service";

let system: System;

// Each test goes on where the one before has left the system.
beforeAll(() => {
  makePackage();
  system = new System();
});
afterAll(() => system?.remove());

test("installed, it has a user, a configuration for that user alone, and is enabled", () => {
  system.dpkg("-i", package_path);
  const account = system.account();
  expect(account).not.toBeNull();
  expect(system.read("etc/passwd")).toContain(":/var/lib/relayx:/usr/sbin/nologin\n");
  const facts = lstatSync(system.path(config));
  expect(facts.mode & 0o7777).toBe(0o640);
  if (as_root) expect([facts.uid, facts.gid]).toEqual([0, account!.gid]);
  expect(lstatSync(system.path(wanted_by)).isSymbolicLink()).toBe(true);
  expect(shell(system.path("usr/bin/relayx"), "check", "--config_path", system.path(config)))
    .toContain("valid; control 0.0.0.0:5555");
});

test("it starts as the unit says, as its user and without any right, and stops in order", async () => {
  const ports = await claimPorts({ tcp_ports: 2, srt_ports: 2 });
  const supervisor = new Supervisor({ abstract_name: `relayx-package-${process.pid}` });
  const service = readFileSync(system.path("usr/lib/systemd/system/relayx.service"), "utf8");
  const [, line] = /^ExecStart=(.+)$/m.exec(service)!;
  const command = line.split(" ").map((word) => word.startsWith("/") ? system.path(word) : word);
  if (as_root) {
    const { uid, gid } = system.account()!;
    command.unshift(
      "setpriv",
      `--reuid=${uid}`,
      `--regid=${gid}`,
      "--clear-groups",
      "--no-new-privs",
      "--inh-caps=-all",
      "--bounding-set=-all",
    );
  }
  // What systemd makes for it (StateDirectory).
  const state = system.path("var/lib/relayx");
  mkdirSync(state, { recursive: true, mode: 0o750 });
  if (as_root) chownSync(state, system.account()!.uid, system.account()!.gid);
  let told = "";
  let child: ChildProcess | null = null;
  try {
    child = spawn(command[0], command.slice(1), {
      cwd: "/",
      env: plainEnvironment({
        NOTIFY_SOCKET: supervisor.address,
        WATCHDOG_USEC: "10000000",
        RELAYX_GATEWAY_BIND_ADDRESS: "127.0.0.1",
        RELAYX_GATEWAY_TCP_PORT: String(ports.control),
        RELAYX_ZEROMQ_PORT_RANGE: `${ports.tcp.first}-${ports.tcp.last}`,
        RELAYX_GOSRT_PORT_RANGE: `${ports.srt.first}-${ports.srt.last}`,
        RELAYX_ADMIN_PORT: "0",
        RELAYX_STATE_DIRECTORY: state,
      }),
      stdio: ["ignore", "pipe", "pipe"],
    });
    const ended = once(child, "close");
    child.stdout!.on("data", (data) => told += data);
    child.stderr!.on("data", (data) => told += data);
    await Promise.race([
      supervisor.next({ READY: "1" }),
      ended.then(() => Promise.reject(new Error(`it ended at its start: ${told}`))),
    ]);
    await supervisor.next({ WATCHDOG: "1" });
    child.kill("SIGTERM");
    await supervisor.next({ STOPPING: "1" });
    expect(await within("the end", ended)).toEqual([0, null]);
  } finally {
    child?.kill("SIGKILL");
    supervisor.close();
    await ports.release();
  }
});

test("upgraded, it keeps what an administrator has changed, and what was switched off", () => {
  const mine = system.read(config).replace("tcp_port: 5555", "tcp_port: 5556");
  system.write(config, mine);
  // As "systemctl disable" does it.
  rmSync(system.path(wanted_by));
  const staging = mkdtempSync(join(tmpdir(), "relayx-upgrade-"));
  const tree = join(staging, "tree");
  const change = (path: string, from: RegExp | string, to: string) => {
    const text = readFileSync(join(tree, path), "utf8").replace(from, to);
    writeFileSync(join(tree, path), text);
    return text;
  };
  let theirs = "";
  try {
    shell("dpkg-deb", "-R", package_path, tree);
    change("DEBIAN/control", /^Version: .*/m, "$&+upgrade");
    theirs = change(config, "level: info", "level: warn");
    shell("dpkg-deb", "--root-owner-group", "-Znone", "-b", tree, join(staging, "newer.deb"));
    system.dpkg("--force-confold", "-i", join(staging, "newer.deb"));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
  expect(system.read("var/lib/dpkg/status")).toContain(`Version: ${product.version}+upgrade\n`);
  expect(system.read(config)).toBe(mine);
  expect(system.read(`${config}.dpkg-dist`)).toBe(theirs);
  expect(existsSync(system.path(wanted_by))).toBe(false);
  if (as_root) expect(lstatSync(system.path(config)).gid).toBe(system.account()!.gid);
});

test("removed, it leaves configuration, state and logs; purged, nothing", () => {
  for (const folder of ["var/lib/relayx", "var/log/relayx"]) {
    mkdirSync(system.path(folder), { recursive: true });
    system.write(`${folder}/something`, "kept");
  }
  system.dpkg("-r", "relayx");
  expect(system.has("usr/bin/relayx")).toBe(false);
  expect(system.has(config)).toBe(true);
  expect(system.read("var/lib/relayx/something")).toBe("kept");
  expect(system.account()).not.toBeNull();
  system.dpkg("-P", "relayx");
  expect(system.account()).toBeNull();
  expect(system.read("etc/group")).not.toContain("relayx");
  const left = shell("find", system.root, "-name", "*relayx*", "-not", "-path", system.root);
  expect(left).toBe("");
});
