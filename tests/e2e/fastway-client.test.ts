/** The client library and its chat at the gateway as a process, on each runtime that it is for. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { connectClient } from "../../clients/fastway/mod.ts";
import { CuttingPath } from "../harness/cutting-path.ts";
import {
  BuiltLibrary,
  Program,
  program_runtimes,
  programLine,
  type ProgramRuntime,
} from "../harness/fastway-programs.ts";
import { FASTWAY_KEY, FastwayService } from "../harness/fastway-service.ts";
import { announcedRandom } from "../harness/random.ts";
import { repository } from "../harness/runtime.ts";
import { freshToken, hashOf, TokenFile } from "../harness/token-file.ts";

setDefaultTimeout(60_000);

let service: FastwayService;
let encrypted: FastwayService;
let built: BuiltLibrary;
let traffic_js: string;

beforeAll(async () => {
  // A path between keeps more than the kernel shows to the gateway, which its buffer has to make up for.
  const snet = { SnetEnable: true, SnetEncrypt: true, SnetBuffer: "16M" };
  const both = ["Client", "Server"].flatMap((side) =>
    Object.entries(snet).map(([key, value]) => [`${side}${key}`, value])
  );
  // The traffic has its own bounds; those of the gateway for slow receivers are not its subject.
  const roomy = { ClientSendChanSize: 100_000, ClientMaxConn: 0 };
  [service, encrypted, built] = await Promise.all([
    FastwayService.start({ fastway: roomy }),
    FastwayService.start({ fastway: { ...roomy, ...Object.fromEntries(both) } }),
    BuiltLibrary.build(),
  ]);
  const bundled = await Bun.build({
    entrypoints: [`${repository}tests/harness/fastway-traffic.ts`],
    outdir: built.folder,
    naming: "traffic.mjs",
    target: "node",
  });
  traffic_js = bundled.outputs[0].path;
}, 60_000);

afterAll(async () => {
  await Promise.all([service?.stop(), encrypted?.stop()]);
  built?.remove();
}, 60_000);

const programs = new Set<Program>();

function start(name: string, line: string[]): Program {
  const program = new Program(name, line);
  programs.add(program);
  return program;
}

async function killAll(): Promise<void> {
  await Promise.all([...programs].map((program) => program.kill()));
  programs.clear();
}

function traffic(runtime: ProgramRuntime, ports: [number, number], manner: string): Program {
  const random = announcedRandom(`traffic on ${runtime}, ${manner}`);
  const files = { ts: `${repository}tests/harness/fastway-traffic.ts`, js: traffic_js };
  const args = [...ports.map(String), FASTWAY_KEY, manner, String(random.int(0, 1 << 30))];
  return start(`traffic on ${runtime}`, [...programLine(runtime, files), ...args]);
}

describe.each(program_runtimes.map((runtime) => ({ runtime })))("on $runtime", ({ runtime }) => {
  test("many conversations at once lose and change nothing", async () => {
    const program = traffic(runtime, [service.client_port, service.server_port], "plain");
    try {
      expect([await program.ended(), program.output.trim()]).toEqual([0, "carried 3000, away 0"]);
    } finally {
      await killAll();
    }
  });

  test("nor do they over snet whose connections are cut", async () => {
    const random = announcedRandom("cuts");
    const options = { cut_after_bytes: () => random.int(300_000, 6_000_000), random };
    const to = (port: number) => CuttingPath.to(port, options);
    const paths = await Promise.all([to(encrypted.client_port), to(encrypted.server_port)]);
    const program = traffic(runtime, [paths[0].port, paths[1].port], "snet+rc4");
    try {
      const code = await program.ended();
      expect([code, program.output]).toEqual([0, expect.stringMatching(/^carried 3000, away \d+/)]);
      expect(paths[0].cuts + paths[1].cuts).toBeGreaterThan(2);
    } finally {
      for (const path of paths) path.close();
      await killAll();
    }
  });

  test("users of the chat meet in rooms, and get what the server says", async () => {
    const id = String(100 + program_runtimes.indexOf(runtime));
    const chat = (name: string, ...args: string[]) => {
      const which = args[0];
      const js = join(built.path, "dist", "examples", `${which}.js`);
      const ts = `${repository}clients/fastway/examples/${which}.ts`;
      return start(name, [...programLine(runtime, { ts, js }), ...args.slice(1)]);
    };
    const user = (name: string, room: string) => {
      const at = ["--port", String(service.client_port), "--server", id];
      return chat(name, "chat-client", ...at, "--name", name, "--room", room);
    };
    try {
      const at = ["--port", String(service.server_port), "--id", id, "--key", FASTWAY_KEY];
      const server = chat("the chat's server", "chat-server", ...at);
      await server.wrote(`serving as ${id}`);
      const [ada, kim] = [user("ada", "tea"), user("kim", "tea")];
      await Promise.all([ada.wrote("you are in tea"), kim.wrote("you are in tea")]);
      const lee = user("lee", "coffee");
      await lee.wrote("you are in coffee with nobody");

      ada.say("hello, everybody – 你好");
      for (const one of [ada, kim]) await one.wrote("ada: hello, everybody – 你好");
      lee.say("/join tea");
      const after = await lee.wrote("you are in tea with ");
      await Promise.all([ada.wrote("* lee has come"), kim.wrote("* lee has come")]);
      kim.say("there you are");
      await lee.wrote("kim: there you are", after);

      server.say("tea is ready");
      for (const one of [ada, kim, lee]) await one.wrote("*** tea is ready");
      kim.say("/quit");
      expect(await kim.ended()).toBe(0);
      await Promise.all([ada.wrote("* kim has left"), server.wrote("kim has left tea")]);
      await ada.kill();
      await lee.wrote("* ada has left");
      expect(lee.output).not.toContain("hello, everybody");
    } finally {
      await killAll();
    }
  });
});

test("a token that is good is taken, and another one is not", async () => {
  const token = freshToken();
  const file = new TokenFile([{ name: "ada", role: "client", id: "*", token_hash: hashOf(token) }]);
  const guarded = await FastwayService.start({
    fastway: { client_auth: "token" },
    settings: { auth: { mode: "tokens", tokens_file: file.path } },
  });
  const at = { host: "127.0.0.1", port: guarded.client_port };
  try {
    const client = await connectClient({ ...at, token });
    expect(await client.dial(9).catch(({ code }) => code)).toBe("dial_refused");
    await client.close();
    for (const wrong of [freshToken(), undefined]) {
      const error = await connectClient({ ...at, token: wrong }).catch((reason) => reason);
      expect(error).toMatchObject({ name: "FastwayError", code: "connect_refused" });
    }
  } finally {
    await guarded.stop();
    file.remove();
  }
});

test("a Node project finds the library and its types by its name", async () => {
  const consumer = join(built.folder, "consumer.mjs");
  await Bun.write(
    consumer,
    `import { connectClient, FastwayError } from "fastway-client";
     const client = await connectClient({ host: "127.0.0.1", port: ${service.client_port} });
     const error = await client.dial(4_000_000).catch((reason) => reason);
     console.log(error instanceof FastwayError, error.code);
     await client.close();`,
  );
  const program = start("a Node project", ["node", consumer]);
  expect([await program.ended(), program.output.trim()]).toEqual([0, "true dial_refused"]);
  const typed = join(built.folder, "consumer.mts");
  await Bun.write(
    typed,
    `import { connectServer, type Endpoint } from "fastway-client";
     export const endpoint: Promise<Endpoint> = connectServer({ host: "", port: 1, id: 1 });
     // @ts-expect-error -- A server has an id.
     export const wrong = connectServer({ host: "", port: 1 });`,
  );
  const tsc = start("tsc", [
    `${repository}node_modules/.bin/tsc`,
    ...["--noEmit", "--ignoreConfig", "--strict", "--module", "nodenext", "--target", "es2022"],
    ...["--types", "node", "--typeRoots", `${repository}node_modules/@types`, typed],
  ]);
  expect([await tsc.ended(), tsc.output]).toEqual([0, ""]);
});
