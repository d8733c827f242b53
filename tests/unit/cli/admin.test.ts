/** The commands over the admin API, against something that answers as the gateway would. */
import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endpointRow, fastwayFigures } from "../admin/fake-source.ts";
import { relayx } from "./command.ts";

const servers: net.Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

interface Asked {
  line: string;
  authorization: string | undefined;
  body: string;
}

/** A gateway with one answer, or a function of the line of the request; tells what it was asked. */
async function answering(status: number, answer: unknown) {
  const asked: Asked[] = [];
  const server = http.createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => body += chunk);
    request.on("end", () => {
      const { method, url, headers } = request;
      asked.push({ line: `${method} ${url}`, authorization: headers.authorization, body });
      const said = typeof answer === "function" ? answer(`${method} ${url}`) : answer;
      response.writeHead(status, { connection: "close" }).end(
        typeof said === "string" ? said : JSON.stringify(said),
      );
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as net.AddressInfo;
  return { admin: ["--admin", `127.0.0.1:${port}`], asked, port };
}

const counts = { total: 5, idle: 2, reserved: 1, occupied: 2, blocked: 0 };
const carried = { up: 2048, down: 3 * 1024 ** 3 };
const gateway = {
  state: "Draining",
  version: "9.9",
  protocol: "1.4",
  started_at_unix_ms: 1_000_000,
  now_unix_ms: 4_661_000,
  drain: { since_unix_ms: 4_600_000, deadline_unix_ms: 4_721_000 },
  connections: { registered: 4, unproven: 1, open: 5 },
  sessions: 2,
  waiting_requests: 3,
  port_state: { zmq: counts, srt: counts },
  planes: [
    { kind: "zmq", workers: 2, workers_replaced: 1, ports_open: 2, loop_lag_ms: [0.25, null] },
    { kind: "srt", workers: 1, workers_replaced: 0, ports_open: 0, loop_lag_ms: [1] },
  ],
  bytes: { zmq: carried, srt: carried },
};

const event = {
  seq: 7,
  time_unix_ms: 0,
  level: "warn",
  status: "hello_error",
  message: "connection\u001b[2J turned away",
  fields: { port: 2300 },
};

describe("what is printed", () => {
  test("status, for a person", async () => {
    const { admin } = await answering(200, gateway);
    const { code, stdout } = await relayx(["status", ...admin]);
    expect(code).toBe(0);
    expect(stdout.split("\n")).toEqual([
      "relayx     9.9, protocol 1.4",
      "state      Draining, since 1h1m1s",
      "draining   for 1m1s, 1m left",
      "peers      4 registered, 1 unproven",
      "sessions   2, 3 requests wait",
      "zmq ports  2 occupied, 1 reserved, 0 blocked, 2 idle of 5",
      "zmq bytes  2.0 KB up, 3.0 GB down",
      "zmq loop   2 workers, longest turn 0.3 ms, hangs, 1 replaced",
      "srt ports  2 occupied, 1 reserved, 0 blocked, 2 idle of 5",
      "srt bytes  2.0 KB up, 3.0 GB down",
      "srt loop   1 worker, longest turn 1.0 ms",
      "",
    ]);
  });

  test("status, for a program", async () => {
    const { admin } = await answering(200, gateway);
    expect(JSON.parse((await relayx(["status", "--json", ...admin])).stdout)).toEqual(gateway);
  });

  test("status, with fastway where it is served", async () => {
    const fastway = {
      ...fastwayFigures(),
      clients: 3,
      servers: 2,
      away: 1,
      virtual: 7,
      virtual_total: 70,
      refused: { unknown: 1, limit: 2, draining: 3 },
      queue_messages: 4,
      queue_bytes: 2048,
      pool_bytes: 1024 ** 2,
      pool_used_bytes: 4096,
      tls: {
        ports: { server: 8883 },
        entering: 1,
        open: 2,
        passed_total: 9,
        refused_total: 3,
        shed_total: 1,
        threads_replaced: 0,
      },
    };
    fastway.carried.client = { bytes_in: 2048, bytes_out: 0, messages_in: 5, messages_out: 6 };
    const { admin } = await answering(200, { ...gateway, fastway });
    const { stdout } = await relayx(["status", ...admin]);
    expect(stdout.split("\n").slice(11)).toEqual([
      "fastway    port 8880 for clients, 8881 for servers",
      "fw tls     port 8883 for servers; 2 open, 1 entering, 4 refused",
      "fw peers   3 clients, 2 servers, 1 of them away",
      "fw virtual 7 connections, 70 since the start; dials refused: 1 unknown, 2 limit, 3 draining",
      "fw clients 5 messages in (2.0 KB), 6 out (0 B)",
      "fw servers 0 messages in (0 B), 0 out (0 B)",
      "fw memory  2.0 KB wait in 4 messages; pool 4.0 KB of 1.0 MB in use",
      "fw loop    1 worker, longest turn 0.5 ms",
      "",
    ]);
  });

  test("endpoints of fastway, page after page", async () => {
    const rows = [
      endpointRow(1, { side: "server", id: 7, since_unix_ms: Date.now(), principal: "a\u001b[2J" }),
      endpointRow(9, { is_away: true, transport: "snet", queue_messages: 2, queue_bytes: 2048 }),
    ];
    const { admin, asked } = await answering(
      200,
      (line: string) =>
        line.includes("after=1")
          ? { endpoints: [rows[1]], next: null, total: 2 }
          : { endpoints: [rows[0]], next: 1, total: 2 },
    );
    const { stdout } = await relayx(["endpoints", "--side", "client", "--id", "7", ...admin]);
    const [head, first, second] = stdout.split("\n");
    expect(head).toStartWith("ENDPOINT  SIDE    ID  FROM");
    expect(first).toMatch(/^1\s+server\s+7\s+192\.0\.2\.1:10001\s+tcp\s+a\\u\{1b\}\[2J/);
    expect(second).toMatch(/^9\s+client\s+9\s+\S+\s+snet, away\s.*\s2 \(2\.0 KB\)$/);
    const path = "GET /api/v1/fastway/endpoints?limit=5000&side=client&id=7";
    expect(asked.map(({ line }) => line)).toEqual([path, `${path}&after=1`]);
  });

  test("sessions, with what peers have chosen made harmless", async () => {
    const port = {
      kind: "srt",
      port: 2350,
      phase: "reserved",
      waiting: "server",
      paired_unix_ms: null,
      client_remote: null,
      server_remote: "192.0.2.1:5",
      bytes_up: 0,
      bytes_down: 0,
      bps_up: 1_500_000,
      bps_down: 0,
      rtt_ms: 20,
      loss_pct: 0.25,
      retrans_pct: 0,
      bottleneck_up: "network_in",
      bottleneck_down: "idle",
    };
    const session = {
      session_id: "00ff",
      request_id: "r",
      client_id: "fe\u001b[31m",
      server_id: "be",
      trace_id: null,
      since_unix_ms: Date.now() - 61_000,
      ports: [port],
    };
    const { admin } = await answering(200, { sessions: [session] });
    const { stdout } = await relayx(["sessions", ...admin]);
    const [head, row] = stdout.split("\n");
    expect(head).toStartWith("SESSION  CLIENT");
    expect(row).toMatch(
      /^00ff\s+fe\\u\{1b\}\[31m\s+be\s+srt\s+2350\s+server waits\s+1m1s\s+1\.50\s+0\.00\s+20\.0\s+0\.3%\s+\w/,
    );
    expect(row).toContain("sender and relayx");
  });

  test("logs, a line each, with control characters spelt out", async () => {
    const { admin, asked } = await answering(200, { events: [event], last_seq: 7, missed: 0 });
    const { stdout } = await relayx(["logs", "-n", "3", "--id", "a b&c", ...admin]);
    expect(stdout).toBe(
      "1970-01-01T00:00:00.000Z WARN  connection\\u001b[2J turned away " +
        "status=hello_error port=2300\n",
    );
    expect(asked[0].line).toBe("GET /api/v1/events?id=a+b%26c&limit=3");
  });

  test("reload: what is in force and what waits", async () => {
    const { admin } = await answering(200, { applied: ["logging.level"], needs_restart: [] });
    expect((await relayx(["reload", ...admin])).stdout)
      .toBe("in force: logging.level\nneeds a restart: nothing\n");
  });
});

describe("what is asked", () => {
  const ban = { subject: "s", reason: "", since_unix_ms: 0, until_unix_ms: null, automatic: false };
  const explained = { subject: "x", is: "unknown", sentences: ["nothing"], events: [] };
  test.each<[string[], unknown, string, string]>([
    [["kick", "00ff"], { ended: 1 }, "DELETE /api/v1/sessions/00ff", ""],
    [["kick", "--endpoint", "12"], { ended: 1 }, "DELETE /api/v1/fastway/endpoints/12", ""],
    [
      ["kick", "--server", "a/b", "--sessions"],
      { ended: 2 },
      "DELETE /api/v1/registrations/server/a%2Fb?sessions=true",
      "",
    ],
    [
      ["kick", "--client", "c"],
      { ended: 1 },
      "DELETE /api/v1/registrations/client/c?sessions=false",
      "",
    ],
    [["drain", "--deadline", "5m"], gateway, "POST /api/v1/drain", '{"deadline_ms":300000}'],
    [["drain"], gateway, "POST /api/v1/drain", '{"deadline_ms":null}'],
    [["undrain"], gateway, "DELETE /api/v1/drain", ""],
    [
      ["ban", "192.0.2.7", "--for", "1h", "--reason", "noisy"],
      ban,
      "POST /api/v1/bans",
      '{"subject":"address:192.0.2.7","duration_ms":3600000,"reason":"noisy"}',
    ],
    [
      ["ban", "id:be-1"],
      ban,
      "POST /api/v1/bans",
      '{"subject":"id:be-1","duration_ms":null,"reason":""}',
    ],
    [
      ["unban", "2001:db8::/64"],
      { ended: 1 },
      "DELETE /api/v1/bans/address%3A2001%3Adb8%3A%3A%2F64",
      "",
    ],
    [["bans"], { bans: [] }, "GET /api/v1/bans", ""],
    [["explain", "a b"], explained, "GET /api/v1/explain/a%20b", ""],
    [["explain", ".."], explained, "GET /api/v1/explain?subject=..", ""],
    [
      ["kick", "--client", "."],
      { ended: 1 },
      "DELETE /api/v1/registrations/client?id=.&sessions=false",
      "",
    ],
  ])("%j", async (args, answer, line, body) => {
    const { admin, asked } = await answering(200, answer);
    expect(await relayx([...args, ...admin])).toMatchObject({ code: 0, stderr: "" });
    expect(asked).toEqual([{ line, authorization: undefined, body }]);
  });

  test("with the token of the environment", async () => {
    const { admin, asked } = await answering(200, { bans: [] });
    await relayx(["bans", ...admin], { RELAYX_ADMIN_TOKEN: "s3cret" });
    expect(asked[0].authorization).toBe("Bearer s3cret");
  });
});

describe("where it is asked", () => {
  const folder = mkdtempSync(join(tmpdir(), "relayx-admin-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const own = "the token of the configuration";
  const looks = "the token that only looks";

  function configuration(port: number): string {
    const path = join(folder, `${port}.yaml`);
    const token = `token: ${own.replaceAll(" ", "-")}, read_token: ${looks.replaceAll(" ", "-")}`;
    writeFileSync(path, `admin: { port: ${port}, ${token} }\n`);
    return path;
  }

  test("where the configuration says, with its token", async () => {
    const { port, asked } = await answering(200, { bans: [] });
    await relayx(["bans", "--config_path", configuration(port)]);
    expect(asked[0].authorization).toBe(`Bearer ${own.replaceAll(" ", "-")}`);
  });

  test("an address of the command line goes before the one of the configuration", async () => {
    const wrong = await answering(200, { bans: [] });
    const { admin, asked } = await answering(200, { bans: [] });
    await relayx(["bans", ...admin, "--config_path", configuration(wrong.port)]);
    expect([wrong.asked, asked.length]).toEqual([[], 1]);
  });

  test("a token of the environment goes before the configuration's, also the one that only looks", async () => {
    const { port, asked } = await answering(200, { bans: [] });
    const token = looks.replaceAll(" ", "-");
    const { code, stderr } = await relayx(["bans", "--config_path", configuration(port)], {
      RELAYX_ADMIN_TOKEN: token,
    });
    expect([code, stderr, asked[0]?.authorization]).toEqual([0, "", `Bearer ${token}`]);
  });
});

describe("what goes wrong", () => {
  test("a refusal is told in the gateway's words, and ends with 1", async () => {
    const refusal = { code: "not_found", found: "session x\u0007", allowed: "one that runs" };
    const { admin } = await answering(404, refusal);
    expect(await relayx(["kick", "x", ...admin])).toEqual({
      code: 1,
      stdout: "",
      stderr: "relayx kick: not_found: found session x\\u{7}; allowed: one that runs\n",
    });
  });

  test.each([[404, "<html>"], [200, "<html>"], [200, "{}"]])(
    "another program that answers %d %s ends with 1",
    async (status, body) => {
      const { admin } = await answering(status, body);
      const { code, stderr } = await relayx(["status", ...admin]);
      expect([code, stderr.split("\n").length]).toEqual([1, 2]);
    },
  );

  test("nobody there ends with 1 and says what to look at", async () => {
    const { port } = await answering(200, "");
    servers.pop()!.close();
    const { code, stderr } = await relayx(["status", "--admin", `127.0.0.1:${port}`]);
    expect(code).toBe(1);
    expect(stderr).toContain("admin.port");
  });

  test.each<[string[]]>([
    [["kick"]],
    [["kick", "x", "--client", "c"]],
    [["kick", "x", "--sessions"]],
    [["kick", "x", "--endpoint", "1"]],
    [["kick", "--endpoint", "x/../y"]],
    [["endpoints", "--side", "neither"]],
    [["endpoints", "--id", "x"]],
    [["drain", "--deadline", "soon"]],
    [["logs", "-n", "many"]],
    [["logs", "--level", "loud"]],
    [["status", "--admin", "nowhere"]],
    [["status", "--config_path", "/nonexistent"]],
  ])("%j ends with 2", async (args) => {
    const { code, stderr } = await relayx(args);
    expect([code, stderr !== ""]).toEqual([2, true]);
  });
});
