/** The dashboard in a real Chromium, before a real gateway with real clients: what it shows. */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test as anyTest,
} from "bun:test";
import { Buffer } from "node:buffer";
import type { Page } from "playwright-core";
import type {
  GatewayAnswer,
  PortsAnswer,
  RegistrationRow,
  SessionRow,
} from "../../src/admin/answers.ts";
import type { StreamListing } from "../../src/data/plane.ts";
import { has_browser, TestBrowser } from "../harness/browser.ts";
import { claimPorts, type PortBlock } from "../harness/free-ports.ts";
import { Dashboard, rowWith } from "../harness/dashboard.ts";
import { joinAs, joinTcp, Meeting } from "../harness/meeting.ts";
import { SrtThread } from "../harness/srt-end.ts";
import { joinSrt } from "../harness/srt-meeting.ts";
import { TcpEnd } from "../harness/tcp-end.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(60_000);

const test = anyTest.skipIf(!has_browser);

let browser: TestBrowser;
let board: Dashboard;
let thread: SrtThread;
/** One UDP port for the named streams. */
let streams_port: PortBlock;

beforeAll(async () => {
  if (!has_browser) return;
  [browser, thread, streams_port] = await Promise.all([
    TestBrowser.start(),
    SrtThread.start(),
    claimPorts({ tcp_ports: 1, srt_ports: 1 }),
  ]);
  board = await Dashboard.start(browser, {
    gosrt: { shared_port: streams_port.srt.first },
    streams: { cam: { viewers_max: 7 }, stage: {} },
  });
});

afterAll(async () => {
  await board?.close();
  await browser?.close();
  await thread?.close();
  await streams_port?.release();
});

/** Every test looks at its pages' faults: foreign requests, errors, violations of the policy. */
afterEach(async () => {
  expect(await board?.takeFaults() ?? []).toEqual([]);
});

/** A session with traffic, an end that waits, a registration refused and a hello that is none. */
async function busyGateway(name: string) {
  const meeting = await Meeting.of(board.gateway, { name });
  const session = await meeting.tcpSession();
  const waiting = await meeting.session("zmq");
  const server = await joinAs(waiting, "server");
  await board.gateway.logged("server_pending", { session_id: waiting.session_id });
  return {
    meeting,
    session,
    waiting,
    async close() {
      server.destroy();
      // A reservation is kept for a while longer, and nobody here has that time.
      for (const { session_id } of [waiting, session.grant]) {
        await board.ask(`sessions/${session_id}`, "DELETE");
      }
      session.client.destroy();
      session.server.destroy();
      await meeting.close();
      await board.gateway.allPortsIdle();
    },
  };
}

/** What a table cell shows, line by line where it has lines. */
async function cells(page: Page, table: string, text: string): Promise<Record<string, string>> {
  const row = rowWith(page, table, text);
  const entries = await row.locator("td").evaluateAll((found) =>
    (found as unknown as { dataset: { label: string }; innerText: string }[])
      .map(({ dataset, innerText }) => [dataset.label, innerText.replace(/\s+/g, " ").trim()])
  );
  return Object.fromEntries(entries as [string, string][]);
}

describe("what it shows", () => {
  test("is what the API says: sessions, ends, ports, registrations, counts", async () => {
    const busy = await busyGateway("shown");
    const { page } = await board.load();
    const { session_id } = busy.session.grant;
    await rowWith(page, "Sessions", session_id).waitFor();

    const { sessions } = await board.ask<{ sessions: SessionRow[] }>("sessions");
    const row = sessions.find((one) => one.session_id === session_id)!;
    const shown = await cells(page, "Sessions", session_id);
    expect(shown.Ends).toBe(
      `client fe-shown ${busy.session.client.remote} server be-shown ${busy.session.server.remote}`,
    );
    expect(row.ports[0].client_remote).toBe(busy.session.client.remote);
    expect(shown.Ports).toBe(`TCP ${busy.session.port}`);
    const held = await cells(page, "Sessions", busy.waiting.session_id);
    expect(held.Ports).toBe(`TCP ${busy.waiting.zmq_port}, reserved`);
    expect(held["Held back by"]).toBe("the server waits for its peer");

    const { registrations } = await board.ask<{ registrations: RegistrationRow[] }>(
      "registrations",
    );
    for (const { role, id, remote, max_conn } of registrations) {
      const registered = await cells(page, "Registrations", id);
      expect(registered.Role).toBe(role);
      expect(registered.From).toBe(remote);
      expect(registered["Ports in use"]).toBe(role === "server" ? `2 of ${max_conn}` : "–");
      expect(registered.Sessions).toBe("2");
    }
    expect(await page.locator("#sessions-count").innerText()).toBe(String(sessions.length));
    const { zmq } = await board.ask<PortsAnswer>("ports");
    const legend = await page.locator("#pool-zmq .legend").innerText();
    expect(legend.replace(/\s+/g, " ").trim()).toBe(
      `${zmq.counts.idle} idle 1 reserved 1 occupied 0 blocked`,
    );
    await busy.close();
    await rowWith(page, "Sessions", session_id).waitFor({ state: "detached" });
    await page.getByText("No sessions.").waitFor();
  });

  test("relay_X v1's ports stand with those of TCP, and its sessions are called so", async () => {
    const { page } = await board.load();
    const end = { waiting: null, client_remote: "192.0.2.1:5", server_remote: "192.0.2.1:6" };
    const figures = { bytes_up: 1, bytes_down: 1, bps_up: 5e6, bps_down: 1e6, rtt_ms: 0 };
    const line = {
      loss_pct: 0,
      retrans_pct: 0,
      bottleneck_up: "unknown",
      bottleneck_down: "unknown",
    };
    const port = (kind: string, number: number) => (
      { kind, port: number, phase: "occupied", paired_unix_ms: 1, ...end, ...figures, ...line }
    );
    const session = {
      protocol: "rlx1",
      session_id: "00ff",
      request_id: "r",
      client_id: "fe",
      server_id: "be",
      trace_id: null,
      since_unix_ms: 1,
      ports: [port("zmq", 30_101), port("srt", 30_001)],
    };
    await page.route(
      "**/api/v1/sessions",
      (route) => route.fulfill({ json: { sessions: [session] } }),
    );
    const ports = { total: 100, empty: 96, ready: 3, busy: 1, closed: 0 };
    const rlx1 = { front_ends: 1, back_ends: 1, leases: 1, sessions: 1 };
    const gateway = await board.ask<GatewayAnswer>("gateway");
    await page.route(
      "**/api/v1/gateway",
      (route) =>
        route.fulfill({
          json: { ...gateway, rlx1: { ...rlx1, ports: { zmq: ports, srt: ports } } },
        }),
    );
    await page.getByText("idle; v1: 2 busy, 6 ready of 200").waitFor();
    await rowWith(page, "Sessions", "00ff").waitFor();
    const { Ports, Up } = await cells(page, "Sessions", "00ff");
    expect([Ports, Up]).toEqual(["v1 TCP 30101 v1 TCP 30001", "5.00 Mbit/s 5.00 Mbit/s"]);
  });

  test("throughput in all and per session follows what flows", async () => {
    const meeting = await Meeting.of(board.gateway, { name: "flow" });
    const { client, server, grant } = await meeting.tcpSession();
    const { page, nextAnswer } = await board.load();
    await rowWith(page, "Sessions", grant.session_id).waitFor();
    const pour = setInterval(() => client.writeCarelessly(Buffer.alloc(65_536)), 20);
    // The same answer that the page has got; on a busy machine it may have got the next one by then.
    let shown: Record<string, string>;
    let bps_up = 0;
    do {
      const { sessions } = await nextAnswer("sessions") as { sessions: SessionRow[] };
      const row = sessions.find(({ session_id }) => session_id === grant.session_id)!;
      bps_up = row.ports[0].bps_up;
      await page.evaluate("new Promise(requestAnimationFrame)");
      shown = await cells(page, "Sessions", grant.session_id);
    } while (bps_up < 1e6 || Math.abs(bitsPerSecond(shown.Up) / bps_up - 1) > 0.005);
    expect(shown.Down).toBe("0 bit/s");
    while (bitsPerSecond(await page.locator("#up-now").innerText()) < 1e6) {
      await nextAnswer("history");
    }
    await page.getByRole("radio", { name: "SRT" }).check();
    expect(await page.locator("#up-now").innerText()).toBe("0 bit/s");
    await page.getByRole("radio", { name: "All" }).check();
    await page.locator("#plot").focus();
    await page.keyboard.press("ArrowLeft");
    expect(await page.locator("#plot").getAttribute("aria-valuetext")).toMatch(
      /^\d\d:\d\d:\d\d: [\d.]+ \w*bit\/s up, [\d.]+ \w*bit\/s down, \d+ sessions?\.$/,
    );
    const points = await page.locator(".plot-line.up").getAttribute("d");
    expect(points!.split("L").length).toBeGreaterThan(1);
    clearInterval(pour);
    client.destroy();
    server.destroy();
    await meeting.close();
    await board.gateway.allPortsIdle();
  });

  test("streams show who publishes and views, SRT sessions how good their lines are", async () => {
    const port = streams_port.srt.first;
    const publisher = await thread.connect({ port, stream_id: "publish:cam" });
    const viewer = await thread.connect({ port, stream_id: "read:cam", quiet: true });
    await board.gateway.logged("viewing", { name: "cam" });
    const meeting = await Meeting.of(board.gateway, { name: "srt" });
    const grant = await meeting.session("srt");
    const { client, server } = await joinSrt({
      gateway: board.gateway,
      thread,
      grant,
      quiet: true,
    });
    const { page } = await board.load();
    // For five seconds, in which all that is looked at here comes to the page.
    const load = { messages: 2400, message_bytes: 1316, mbps: 5 };
    const poured = Promise.all([publisher.pour(load), client.pour(load)]);

    const cam = rowWith(page, "Named streams", "cam");
    await cam.getByText(/^[\d.]+ Mbit\/s$/).waitFor();
    const { streams } = await board.ask<{ streams: StreamListing[] }>("streams");
    const shown = await cells(page, "Named streams", "cam");
    expect(shown.Stream).toBe("cam on air");
    expect(shown.Publisher).toStartWith(streams[0].publisher!.remote);
    expect(shown["RTT, loss"]).toMatch(/^[\d.]+ ms, 0 %$/);
    expect(shown.Viewers).toBe("1 of 7");
    await cam.locator("summary").click();
    await cam.locator("li", { hasText: streams[0].viewers[0].remote }).waitFor();
    expect(await cam.locator("li").innerText()).toContain("nothing skipped; held back by ");
    expect((await cells(page, "Named streams", "stage")).Publisher).toBe("nobody");

    const row = rowWith(page, "Sessions", grant.session_id);
    await row.getByText(/^[\d.]+ Mbit\/s$/).waitFor();
    // Measured once a second, so it may come with the next answer only.
    await row.getByText(/^[\d.]+ ms$/).waitFor();
    const session = await cells(page, "Sessions", grant.session_id);
    expect(session.Ports).toBe(`SRT ${grant.srt_port}`);
    expect(session.RTT).toMatch(/^[\d.]+ ms$/);
    expect(session["Loss / resent"]).toMatch(/^[\d.]+ % \/ [\d.]+ %$/);
    await poured;
    for (const end of [publisher, viewer, client, server]) await end.close();
    await meeting.close();
    await board.gateway.logged("session_stop", { session_id: grant.session_id });
  });

  test("refusals come with their reason, its meaning and who it was", async () => {
    const meeting = await Meeting.of(board.gateway, { name: "refused" });
    const { page } = await board.load();
    const twin = await V4Client.connect({ port: board.gateway.control_port });
    await twin.tryRegister({ role: "client", id: "fe-refused", token: "t" });
    const grant = await meeting.session("zmq");
    for (let i = 0; i < 3; i++) {
      const stranger = await TcpEnd.connect({ port: grant.zmq_port! });
      await stranger.write("GET / HTTP/1.1\r\n\r\n");
      await stranger.turnedAway();
    }
    const hello = page.locator(".refusals li", { hasText: "hello_error" });
    await hello.getByText("3 times").waitFor();
    expect(await hello.innerText()).toContain("did not say a proper hello in time");
    expect(await hello.innerText()).toContain("127.0.0.1");
    await hello.getByRole("link", { name: grant.session_id }).waitFor();
    const refused = page.locator(".refusals li", { hasText: "register_refused" });
    expect(await refused.innerText()).toContain("503 duplicate client id");
    await refused.getByRole("link", { name: "fe-refused" }).waitFor();
    const choice = page.getByLabel("Show refusals by reason");
    await choice.selectOption("hello_error");
    expect(await page.locator(".refusals li").count()).toBe(1);
    await board.ask(`sessions/${grant.session_id}`, "DELETE");
    await twin.close();
    await meeting.close();
  });

  test("the port map tells each port's state and session to keyboard and pointer", async () => {
    const busy = await busyGateway("map");
    const { page } = await board.load();
    await page.locator("#pool-zmq .legend", { hasText: "1 occupied" }).waitFor();
    const map = page.getByRole("slider", { name: "TCP ports" });
    const words = () => map.getAttribute("aria-valuetext");
    await map.focus();
    const { zmq } = await board.ask<PortsAnswer>("ports");
    expect(await words()).toStartWith(`Port ${zmq.first}: `);
    await page.keyboard.press("o");
    const { session_id } = busy.session.grant;
    expect(await words()).toStartWith(
      `Port ${busy.session.port}: occupied by session ${session_id}, fe-map with be-map, `,
    );
    await page.keyboard.press("r");
    expect(await words()).toStartWith(`Port ${busy.waiting.zmq_port}: reserved by session `);
    await page.keyboard.press("End");
    expect(await words()).toBe(`Port ${zmq.last}: idle, free for the next session.`);
    const box = (await map.boundingBox())!;
    await page.mouse.move(box.x + 10, box.y + 10);
    expect(await page.locator("#pool-zmq .map-told").innerText()).toStartWith(
      `Port ${zmq.first}: `,
    );
    await page.keyboard.press("o");
    await page.keyboard.press("Enter");
    await page.getByRole("heading", { name: `Session ${session_id}` }).waitFor();
    await busy.close();
  });

  test("an explanation has an address of its own, is closed by Escape and by going back", async () => {
    const busy = await busyGateway("told");
    const { session_id } = busy.session.grant;
    const { page } = await board.load();
    const link = rowWith(page, "Sessions", session_id).getByRole("link", { name: session_id });
    await link.click();
    const dialog = page.getByRole("dialog", { name: session_id });
    await dialog.locator(".events li", { hasText: "paired" }).first().waitFor();
    const { sentences } = await board.ask<{ sentences: string[] }>(
      `explain?subject=${session_id}`,
    );
    expect(sentences.length).toBeGreaterThan(0);
    expect(await dialog.locator(".sentences li").count()).toBe(sentences.length);
    expect(page.url()).toEndWith(`#explain=${session_id}`);
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    // The browser goes back in its history by and by.
    await page.waitForURL((url) => !url.hash.includes("explain"));
    expect(await link.evaluate((element) => element.matches(":focus"))).toBe(true);
    await page.getByLabel("Explain a session or an id").fill("be-told");
    await page.keyboard.press("Enter");
    const of_server = page.getByRole("dialog", { name: "Server be-told" });
    await of_server.getByRole("button", { name: "Kick server" }).waitFor();
    await page.goBack();
    await of_server.waitFor({ state: "hidden" });
    await page.goto(`${board.origin}/#explain=${session_id}`);
    await dialog.waitFor();
    await busy.close();
  });
});

/** The number that a shown rate stands for. */
function bitsPerSecond(text: string): number {
  const [, number, unit] = /^([\d.]+) (\w*)bit\/s$/.exec(text)!;
  return Number(number) * { "": 1, k: 1e3, M: 1e6, G: 1e9 }[unit]!;
}

describe("hostile and hard", () => {
  test("ids are shown as text, whatever they are", async () => {
    const markup = "<img src=x onerror=alert(1)>";
    const turned = "\u202Egnp.exe\u202E";
    const long = "x".repeat(20_000);
    const port = board.gateway.control_port;
    const peers = await Promise.all(
      [markup, turned, long, "../..", "a\u0000b\nc"].map((id) =>
        V4Client.register({ port, role: "client", id })
      ),
    );
    const server = await V4Client.register({
      port,
      role: "server",
      id: "<script>alert(2)</script>",
    });
    const [attacker] = peers;
    const request_id = attacker.ask({ server_id: server.id, need_zmq: true, need_srt: false });
    const grant = await attacker.granted(request_id);
    await server.granted(request_id);
    const { client, server: back } = await joinTcp(board.gateway, grant);
    const { page } = await board.load();
    const row = rowWith(page, "Sessions", grant.session_id);
    await row.getByText(markup, { exact: true }).waitFor();
    await row.getByText("<script>alert(2)</script>", { exact: true }).waitFor();
    for (const shown of ["\\u{202e}gnp.exe\\u{202e}", "(20,000 characters)", "a\\u{0}b\\u{a}c"]) {
      await rowWith(page, "Registrations", shown).waitFor();
    }
    expect(await page.locator("table img, table script").count()).toBe(0);
    await row.getByRole("button").click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByText(`Client ${markup} and server`).waitFor();
    await page.keyboard.press("Escape");
    await row.getByRole("link", { name: markup }).click();
    await page.getByRole("heading", { name: `Client ${markup}` }).waitFor();
    await page.keyboard.press("Escape");
    // Two dots in a path would be tidied away by the browser and mean something else.
    for (const id of ["../..", markup]) {
      await page.getByRole("button", { name: `Kick client ${id}` }).click();
      await dialog.getByRole("button", { name: "Kick client" }).click();
      await page.getByText(`The registration of client ${id} was ended`).waitFor();
    }
    await Promise.all([peers[0].closed(), peers[3].closed()]);
    for (const peer of peers) await peer.close();
    client.destroy();
    await back.turnedAway();
    await server.close();
  });

  test("a thousand sessions: one page of them, the rows kept, focus and order with them", async () => {
    const { page, nextAnswer } = await board.load();
    const { now_unix_ms } = await board.ask<GatewayAnswer>("gateway");
    let turn_of = 0;
    const sessions = (): SessionRow[] =>
      Array.from({ length: 1000 }, (_, i) => sessionRow(i, turn_of, now_unix_ms));
    await page.route("**/api/v1/sessions", (route) => {
      turn_of++;
      return route.fulfill({ json: { sessions: sessions() } });
    });
    const table = page.getByRole("table", { name: "Sessions", exact: true });
    const range = page.locator("#sessions-view .range");
    await range.getByText("1–25 of 1,000 sessions").waitFor();
    expect(await table.locator("tbody tr").count()).toBe(25);
    const first = () => table.locator("tbody tr a").first().innerText();
    expect(await first()).toBe(sessionId(0));

    await page.getByLabel("Filter sessions").fill("fe-7.");
    await range.getByText("1–25 of 100 of 1,000 sessions").waitFor();
    await page.getByLabel("Filter sessions").fill("");
    await page.locator("#sessions-view").getByRole("button", { name: "Next" }).click();
    await range.getByText("26–50 of 1,000 sessions").waitFor();
    expect(await first()).toBe(sessionId(25));

    // The order of the rates turns round with every answer, and is held while the focus is inside.
    await table.getByRole("button", { name: "Up" }).click();
    const order = () => table.locator("tbody tr td:first-child a").allInnerTexts();
    const kick = table.getByRole("button", { name: "Kick" }).nth(2);
    await kick.focus();
    const held = await order();
    const name = await kick.getAttribute("aria-label");
    // Elements are marked: a row that is built anew would have lost its mark.
    await table.locator("tbody tr").evaluateAll((rows) => {
      for (const row of rows) (row as unknown as { marked: boolean }).marked = true;
    });
    const rates = table.locator("tbody tr").nth(2).locator("td").nth(3);
    const rate = await rates.innerText();
    while (await rates.innerText() === rate) await nextAnswer("sessions");
    const kept = await table.locator("tbody tr").evaluateAll((rows) =>
      rows.filter((row) => (row as unknown as { marked?: boolean }).marked).length
    );
    expect(kept).toBe(25);
    expect(await order()).toEqual(held);
    expect(await page.evaluate("document.activeElement.ariaLabel")).toBe(name);
  });

  test("a lost gateway is said, what is old is kept, and it comes back by itself", async () => {
    const { page } = await board.load();
    await page.context().setOffline(true);
    const banner = page.locator("#lost-banner");
    await banner.waitFor();
    expect(await page.getByRole("alert").filter({ hasText: "No contact" }).innerText()).toMatch(
      /^No contact with the gateway since [\d:]{8}: .+\. What you see is from then\.$/,
    );
    expect(await page.title()).toBe("No contact · relayx");
    expect(await page.locator("#contact").innerText()).toBe("No contact");
    expect(await page.locator("#figures .figure").count()).toBe(6);
    // Later and later by itself; at once where it is asked to.
    await banner.getByText("in 2 s").waitFor();
    const tried = page.waitForEvent("requestfailed");
    await page.getByRole("button", { name: "Try now" }).click();
    await tried;
    await page.context().setOffline(false);
    await page.getByRole("button", { name: "Try now" }).click();
    await banner.waitFor({ state: "hidden" });
    await page.getByText("Live", { exact: true }).waitFor();
  });
});

function sessionId(i: number): string {
  return (0x1000_0000 + i).toString(16).padStart(16, "0");
}

function sessionRow(i: number, turn_of: number, now_unix_ms: number): SessionRow {
  return {
    session_id: sessionId(i),
    request_id: `r${i}`,
    client_id: `fe-${i % 10}.${i}`,
    server_id: `be-${i % 10}`,
    trace_id: null,
    since_unix_ms: now_unix_ms - 60_000 * i,
    ports: [{
      kind: "zmq",
      port: 2300 + i,
      phase: "occupied",
      waiting: null,
      paired_unix_ms: now_unix_ms,
      client_remote: `192.0.2.1:${10_000 + i}`,
      server_remote: `192.0.2.2:${10_000 + i}`,
      bytes_up: 1,
      bytes_down: 1,
      bps_up: 1000 * (turn_of % 2 === 0 ? i + 1 : 1000 - i),
      bps_down: 0,
      rtt_ms: 0,
      loss_pct: 0,
      retrans_pct: 0,
      bottleneck_up: "unknown",
      bottleneck_down: "unknown",
    }],
  };
}
