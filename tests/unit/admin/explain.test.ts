import { afterEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { explain } from "../../../src/admin/explain.ts";
import { SENTENCES } from "../../../src/admin/sentences/all.ts";
import { Journal } from "../../../src/observe/journal.ts";
import { announcedRandom } from "../../harness/random.ts";
import { RecordingLog } from "../sessions/recording-log.ts";
import { FakeSource, registrationRow, sessionRow } from "./fake-source.ts";

const root = join(import.meta.dirname, "../../..");
const journals: Journal[] = [];
afterEach(async () => {
  for (const journal of journals.splice(0)) await journal.close();
});

function gateway() {
  const limits = { events_max: 1000, events_bytes_max: 10_000_000 };
  const journal = new Journal({ log: new RecordingLog(), limits, keeps_debug: false });
  journals.push(journal);
  const source = new FakeSource();
  const about = (subject: string) => explain(subject, { source, journal }, Date.now());
  return { journal, source, about };
}

/** Every word that the gateway can write into `status`, as its source says. */
function loggedWords(): Set<string> {
  const found = new Set<string>();
  const files = readdirSync(join(root, "src"), { recursive: true }).map(String)
    .filter((file) =>
      file.endsWith(".ts") &&
      !/^(?:tools|cli\/video-|cli\/rlx1-|cli\/admin|admin\/answers)/.test(file)
    );
  for (const file of files) {
    const text = readFileSync(join(root, "src", file), "utf8").replace(/\/\*[^]*?\*\/|\/\/.*/g, "");
    for (const [, word] of text.matchAll(/\bstatus:\s*"(\w+)"/g)) found.add(word);
    for (const [, a, b] of text.matchAll(/\bstatus:[^,;]*?\?\s*"(\w+)"\s*:\s*"(\w+)"/g)) {
      found.add(a).add(b);
    }
    // Words that come from the workers stand in types.
    for (
      const [, union] of text.matchAll(/(?:type RejectStatus =|\bstatus:)((?:\s*\|?\s*"\w+")+)/g)
    ) {
      for (const [, word] of union.matchAll(/"(\w+)"/g)) found.add(word);
    }
  }
  // The answer to a registration, the answer of /healthz: words of messages and not of the log.
  for (const word of ["ok", "error"]) found.delete(word);
  return found;
}

describe("the sentences", () => {
  test.each([
    ["kicked", "an operator ended it"],
    ["drained", "the deadline of the drain came"],
    ["revoked", "an end is banned, or its token is not good any more"],
    ["back_end_left", "its back end was no longer registered"],
  ])("a session of v1 that was %s is said to have ended so, on a TCP port", (reason, words) => {
    const { journal, about } = gateway();
    const fields = { protocol: "rlx1", session_id: "s1", kind: "srt", port: 30_000, reason };
    journal.info({ ...fields, status: "session_stop", by: null, bytes_up: 1, bytes_down: 2 }, "m");
    expect(about("s1").sentences[0]).toEndWith(
      `The session on TCP port 30000 (v1, srt) closed: ${words}; 1 byte went from the client to ` +
        "the server and 2 bytes back.",
    );
  });

  test("there is one in src/admin/sentences/ for every status that can be in the log", () => {
    const words = loggedWords();
    // Some that are known to be there, so that a search that finds nothing does not pass.
    for (
      const word of ["paired", "hello_error", "server_pending", "view_stop", "heartbeat_timeout"]
    ) {
      expect(words).toContain(word);
    }
    expect([...words].filter((word) => !Object.hasOwn(SENTENCES, word))).toEqual([]);
  });

  test("whatever the fields are, it is one line that ends in a full stop and moves no cursor", () => {
    const value = fc.oneof(
      fc.string({ unit: "binary" }),
      fc.integer(),
      fc.constant(undefined),
      fc.constant(null),
      fc.array(fc.string()),
      fc.constantFrom("\u202e\u2066evil", "\u001b[2J", "a\nb", "x".repeat(70_000), "\ud800"),
    );
    const names = [
      "id",
      "role",
      "remote",
      "client_id",
      "server_id",
      "request_id",
      "error",
      "detail",
      "reason",
      "by",
      "code",
      "limit",
      "count",
      "kind",
      "port",
      "name",
      "user",
      "bottleneck",
      "bytes",
      "subject",
      "order",
      "session_id",
      "applied",
    ];
    const fields = fc.record(Object.fromEntries(names.map((name) => [name, value])), {
      requiredKeys: [],
    });
    fc.assert(
      fc.property(fields, (fields) => {
        const faults = Object.entries(SENTENCES).filter(([, sentence]) => {
          const told = sentence(fields);
          return told.length > 4000 || !/^\S.*\.$/u.test(told) ||
            /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(told);
        });
        expect(faults.map(([status, sentence]) => [status, sentence(fields)])).toEqual([]);
      }),
      { numRuns: 30, seed: announcedRandom("sentences").seed },
    );
  });
});

/** Sentences without their times. */
function untimed(sentences: readonly string[]): string[] {
  return sentences.map((one) => one.replace(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} UTC: /, "… "));
}

describe("a session", () => {
  const grant = {
    request_id: "r1",
    session_id: "s1",
    server_id: "be-1",
    client_id: "fe-1",
    zmq_port: 2300,
  };
  const where = { session_id: "s1", kind: "zmq", port: 2300, server_id: "be-1", client_id: "fe-1" };

  test("from its request to its end", () => {
    const { journal, about } = gateway();
    journal.info(
      { status: "pair_waiting", client_id: "fe-1", request_id: "r1", server_id: "" },
      "m",
    );
    journal.info({ status: "pair_granted", ...grant }, "m");
    const end = { role: "client", id: "fe-1", remote: "192.0.2.1:5" };
    journal.info({ ...where, status: "client_pending", ...end }, "m");
    const wrong = { session_id: "s1", kind: "zmq", port: 2300, remote: "192.0.2.9:1" };
    journal.warn({ status: "client_dup", ...wrong, detail: "the client is there" }, "m");
    journal.info(
      { ...where, status: "paired", role: "server", id: "be-1", remote: "192.0.2.2:6" },
      "m",
    );
    const carried = { reason: "aborted", by: "server", bytes_up: 1_500_000, bytes_down: 1 };
    journal.info({ ...where, status: "session_stop", ...carried }, "m");
    const { is, sentences, events } = about("s1");
    expect(is).toBe("session");
    expect(events.map(({ status }) => status)).toEqual([
      "pair_waiting",
      "pair_granted",
      "client_pending",
      "client_dup",
      "paired",
      "session_stop",
    ]);
    const told = untimed(sentences).map((one) => one.replace(/for \d+ ms/, "for N ms"));
    expect(told).toEqual([
      "… The client fe-1's request r1 began to wait: no server had room, or no port was free.",
      "… The client fe-1 (request r1) was paired with the server be-1, which had room for it, on " +
      "TCP port 2300; both ends were told. It had waited for N ms.",
      "… The client fe-1 connected to TCP port 2300 from 192.0.2.1:5 and waited for the server.",
      "… A connection to TCP port 2300 from 192.0.2.9:1 was turned away: the session's client is " +
      "connected already (the client is there).",
      "… The server be-1 connected to TCP port 2300 from 192.0.2.2:6: both ends were there, and " +
      "bytes flowed.",
      "… The session on TCP port 2300 closed: one end broke off, the server first; 1.5 MB went from " +
      "the client to the server and 1 byte back.",
      "Now: the session is over; it was there for N ms.",
    ]);
  });

  test("one that runs, with what holds it back", () => {
    const { journal, source, about } = gateway();
    journal.info({ status: "pair_granted", ...grant }, "m");
    source.rows = [sessionRow("s1", { since_unix_ms: Date.now() - 90_000 })];
    const { sentences } = about("s1");
    expect(sentences.at(-2)).toMatch(
      /^Now: the session of the client fe-1 and the server be-1 has been there for 9\d\.\d s, with 1 port\.$/,
    );
    expect(sentences.at(-1)).toContain("1.5 MB up and 20 bytes down so far, 8.0 Mbit/s up");
    expect(sentences.at(-1)).toContain("upwards the reader does not take what it is sent");
  });
});

test("a trace is told from the request to the end of its session", () => {
  const { journal, about } = gateway();
  const trace_id = "4bf92f35";
  const request = { client_id: "fe-1", request_id: "r1", trace_id };
  journal.info({ status: "pair_waiting", ...request, server_id: "" }, "m");
  journal.info({ status: "pair_granted", ...request, session_id: "s1", server_id: "be-1" }, "m");
  journal.info({ status: "pair_granted", ...request, trace_id: "other", session_id: "s2" }, "m");
  const { is, sentences, events } = about(trace_id);
  expect(is).toBe("session");
  expect(events.map(({ status }) => status)).toEqual(["pair_waiting", "pair_granted"]);
  expect(sentences.at(-1)).toStartWith("Now: the session is over");
  expect(sentences).toHaveLength(3);
});

describe("a peer", () => {
  test("one that is registered and has a session", () => {
    const { journal, source, about } = gateway();
    const id = "be-1";
    journal.info(
      { status: "registered", role: "server", id, remote: "192.0.2.2:6", max_conn: 4 },
      "m",
    );
    source.registered = [registrationRow("server", id)];
    source.rows = [sessionRow("s1")];
    const { is, sentences } = about(id);
    expect(is).toBe("server");
    expect(untimed(sentences)[0]).toBe(
      "… The server be-1 registered from 192.0.2.2:6, for up to 4 ports at once.",
    );
    expect(sentences.at(-2)).toContain("Now: the server be-1 has been registered for");
    expect(sentences.at(-1)).toBe("Now: it has 1 session: s1.");
  });

  test("one that was refused learns what to do", () => {
    const { journal, about } = gateway();
    const refused = { role: "client", id: "fe-9", remote: "192.0.2.1:7", code: 503 };
    journal.warn({ status: "register_refused", ...refused, error: "503 duplicate client id" }, "m");
    journal.info({
      status: "pair_refused",
      client_id: "fe-9",
      request_id: "r",
      code: 505,
      error: "no port available",
    }, "m");
    const { is, sentences } = about("fe-9");
    expect(is).toBe("client");
    expect(untimed(sentences)).toEqual([
      "… A registration of client fe-9 from 192.0.2.1:7 was refused (503): 503 duplicate client id; " +
      "somebody with this id is registered already; end that one (relayx kick) or choose another id.",
      "… The client fe-9's request r was refused (505): no port available; start a server with room, " +
      "or give more ports (zeromq.port_range, gosrt.port_range, max_conn).",
      "Now: fe-9 is not registered.",
    ]);
  });

  test("one whose request waits", () => {
    const { journal, about } = gateway();
    const wait = (request_id: string) => {
      const request = { client_id: "fe-1", request_id, server_id: "be-9" };
      journal.info({ status: "pair_waiting", ...request }, "m");
    };
    wait("r1");
    wait("r2");
    journal.info({ status: "pair_refused", client_id: "fe-1", request_id: "r1", code: 505 }, "m");
    const { sentences } = about("fe-1");
    expect(untimed(sentences)[0]).toBe(
      "… The client fe-1's request r1 began to wait: the server be-9 was not there or had no room, " +
        "or no port was free.",
    );
    expect(sentences.filter((one) => one.includes("has been waiting"))).toEqual([
      expect.stringMatching(/^Now: its request r2 has been waiting for \d+ ms\.$/),
    ]);
  });

  test("one that is banned is said to be, by its id or its address", () => {
    const { source, about } = gateway();
    const ban = { since_unix_ms: 0, automatic: false };
    source.banned.push(
      { ...ban, subject: "id:ghost", reason: "noisy", until_unix_ms: Date.UTC(2026, 0, 31) },
      { ...ban, subject: "address:192.0.2.0/24", reason: "", until_unix_ms: null },
    );
    expect(about("ghost").sentences).toEqual([
      "Now: id:ghost is banned until 2026-01-31 00:00:00.000 UTC (noisy).",
    ]);
    for (const subject of ["192.0.2.0/24", "address:192.0.2.0/24"]) {
      expect(about(subject).sentences).toEqual([
        "Now: address:192.0.2.0/24 is banned until relayx unban.",
      ]);
    }
    source.registered.push(registrationRow("client", "ghost"));
    expect(about("ghost").sentences.at(-1)).toStartWith("Now: id:ghost is banned until");
    expect(about("other").sentences[0]).toStartWith("Nothing is known");
  });

  test("one that was refused because it is banned is not said to have a wrong token", () => {
    const { journal, about } = gateway();
    const refused = { role: "client", id: "ghost", remote: "192.0.2.1:7", code: 501, count: 1 };
    const why = { reason: "banned", detail: '"ghost" is banned' };
    journal.warn({ status: "register_refused", ...refused, ...why }, "m");
    expect(untimed(about("ghost").sentences)[0]).toBe(
      "… A registration of client ghost from 192.0.2.1:7 was refused (501): " +
        '"ghost" is banned; relayx unban takes that back.',
    );
  });

  test("one that nobody knows", () => {
    const { journal, about } = gateway();
    expect(about("ghost").sentences[0]).toEndWith("no event has been recorded yet.");
    journal.info({ status: "serving" }, "m");
    expect(about("ghost\u202e")).toMatchObject({ is: "unknown", events: [] });
    expect(about("ghost\u202e").sentences[0]).toStartWith('Nothing is known of "ghost\\u{202e}": ');
    expect(about("ghost").sentences[0]).toContain("the oldest of the 1 events that are kept is");
  });
});
