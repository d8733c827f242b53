/** Orders given on the dashboard, in a real Chromium before a real gateway, and who may give them. */
import {
  afterAll,
  afterEach,
  beforeAll,
  describe,
  expect,
  setDefaultTimeout,
  test as anyTest,
} from "bun:test";
import type { BanRow, GatewayAnswer } from "../../src/admin/answers.ts";
import { has_browser, TestBrowser } from "../harness/browser.ts";
import { Dashboard, read_token, rowWith, signIn } from "../harness/dashboard.ts";
import { Meeting } from "../harness/meeting.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(60_000);

const test = anyTest.skipIf(!has_browser);

let browser: TestBrowser;
let board: Dashboard;

beforeAll(async () => {
  if (!has_browser) return;
  browser = await TestBrowser.start();
  board = await Dashboard.start(browser);
});

afterAll(async () => {
  await board?.close();
  await browser?.close();
});

afterEach(async () => {
  expect(await board?.takeFaults() ?? []).toEqual([]);
});

describe("orders", () => {
  test("a session is kicked after a confirmation, and not when it is taken back", async () => {
    const meeting = await Meeting.of(board.gateway, { name: "kick" });
    const kicked = await meeting.tcpSession();
    const other = await meeting.tcpSession();
    const { session_id } = kicked.grant;
    const { page } = await board.load();
    const kick = page.getByRole("button", { name: `Kick session ${session_id}` });
    const dialog = page.getByRole("alertdialog", { name: `Kick session ${session_id}?` });

    await kick.click();
    expect(await dialog.innerText()).toContain(
      `Its connections on TCP port ${kicked.port} are cut`,
    );
    await dialog.getByRole("button", { name: "Cancel" }).click();
    await dialog.waitFor({ state: "hidden" });
    await kick.click();
    await page.keyboard.press("Escape");
    await dialog.waitFor({ state: "hidden" });
    await kicked.client.write("still here");
    await kicked.server.reached(10);

    await kick.click();
    // Opened again before the browser has told that it was closed, as a quick reader does.
    await kick.evaluate((button) => {
      const { ownerDocument, click } = button as unknown as {
        ownerDocument: { getElementById(id: string): { close(): void } };
        click(): void;
      };
      ownerDocument.getElementById("confirmation").close();
      click.call(button);
    });
    await dialog.getByRole("button", { name: "Kick session" }).click();
    await Promise.all([kicked.client.closed(), kicked.server.closed()]);
    await page.getByText(`Session ${session_id} was ended.`).waitFor();
    await rowWith(page, "Sessions", session_id).waitFor({ state: "detached" });
    const order = await board.gateway.logged("admin_order", { session_id });
    expect(order.by).toMatch(/^127\.0\.0\.1:\d+ token$/);

    await other.client.write("untouched");
    await other.server.reached(9);
    other.client.destroy();
    await other.server.turnedAway();
    await meeting.close();
  });

  test("a kick with the keyboard alone", async () => {
    const meeting = await Meeting.of(board.gateway, { name: "keys" });
    const one = await meeting.tcpSession();
    const { page } = await board.load();
    const { session_id } = one.grant;
    await rowWith(page, "Sessions", session_id).waitFor();
    const name = () =>
      page.evaluate(
        "document.activeElement.ariaLabel ?? document.activeElement.textContent.trim()",
      ) as Promise<string>;
    const pressUntil = async (key: string, wanted: string) => {
      const seen: string[] = [];
      for (let i = 0; i < 80; i++) {
        await page.keyboard.press(key);
        seen.push(await name());
        if (seen.at(-1) === wanted) return;
      }
      throw new Error(`${key} does not come to "${wanted}" but to ${JSON.stringify(seen)}`);
    };
    await page.evaluate("document.activeElement.blur()");
    await page.evaluate("scrollTo(0, 0)");
    await pressUntil("Tab", `Kick session ${session_id}`);
    const ring = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    expect(ring).toBe("solid");
    await page.keyboard.press("Enter");
    expect(await name()).toBe("Cancel");
    // Round and round, and never out of the dialog.
    await page.keyboard.press("Tab");
    expect(await name()).toBe("Kick session");
    await page.keyboard.press("Tab");
    expect(await name()).toBe("Cancel");
    await page.keyboard.press("Shift+Tab");
    expect(await name()).toBe("Kick session");
    await page.keyboard.press("Escape");
    expect(await name()).toBe(`Kick session ${session_id}`);
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await one.client.closed();
    await page.getByText(`Session ${session_id} was ended.`).waitFor();
    await rowWith(page, "Sessions", session_id).waitFor({ state: "detached" });
    // What had the focus is gone; it is on the page all the same, and not nowhere.
    expect(await page.evaluate("document.activeElement !== document.body")).toBe(true);
    await meeting.close();
  });

  test("a registration is kicked alone, or with its sessions", async () => {
    const meeting = await Meeting.of(board.gateway, { name: "reg" });
    const session = await meeting.tcpSession();
    const { page } = await board.load();
    await page.getByRole("button", { name: "Kick client fe-reg" }).click();
    const dialog = page.getByRole("alertdialog");
    expect(await dialog.innerText()).toContain("Its 1 session goes on unless you tick the box.");
    await dialog.getByRole("button", { name: "Kick client" }).click();
    await meeting.client.closed();
    await rowWith(page, "Registrations", "fe-reg").waitFor({ state: "detached" });
    await session.client.write("goes on");
    await session.server.reached(7);
    await page.getByRole("button", { name: "Kick server be-reg" }).click();
    await dialog.getByLabel("End its 1 session as well").check();
    await dialog.getByRole("button", { name: "Kick server" }).click();
    await Promise.all([meeting.server.closed(), session.server.closed(), session.client.closed()]);
    await page.getByText("The registration of server be-reg was ended with 1 session.").waitFor();
  });

  test("the gateway drains after a confirmation, shows who remains, and serves again", async () => {
    const meeting = await Meeting.of(board.gateway, { name: "drain" });
    const session = await meeting.tcpSession();
    const { page } = await board.load();
    const state = async () => (await board.ask<GatewayAnswer>("gateway")).state;
    await page.getByRole("button", { name: "Drain…" }).click();
    const dialog = page.getByRole("alertdialog");
    expect(await dialog.innerText()).toContain("1 session goes on until done");
    await dialog.getByRole("button", { name: "Cancel" }).click();
    expect(await state()).toBe("Running");

    await page.getByRole("button", { name: "Drain…" }).click();
    await dialog.getByRole("combobox").selectOption("30 minutes");
    await dialog.getByRole("button", { name: "Drain" }).click();
    const banner = page.locator("#drain-banner");
    await banner.waitFor();
    expect(await banner.innerText()).toMatch(
      /^Draining since [\d:]{8}\. 1 session remains\. Those left in (?:30|29) min.* are ended\.$/,
    );
    expect(await page.locator("#state").innerText()).toBe("Draining");
    const late = await V4Client.connect({ port: board.gateway.control_port });
    const answer = await late.tryRegister({ role: "client", id: "late", token: "t" });
    expect(answer.code).toBe(504);
    await late.close();

    await page.getByRole("button", { name: "Stop draining…" }).click();
    await dialog.getByRole("button", { name: "Stop draining" }).click();
    await banner.waitFor({ state: "hidden" });
    expect(await state()).toBe("Running");
    session.client.destroy();
    await session.server.turnedAway();
    await meeting.close();
  });

  test("a ban of an id ends its registration and, where that is ticked, its sessions", async () => {
    const meeting = await Meeting.of(board.gateway, { name: "out" });
    const session = await meeting.tcpSession();
    const { page } = await board.load();
    await page.getByRole("button", { name: "Ban…" }).click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByLabel("Address or id").fill("id:fe-out");
    await dialog.getByLabel("End its sessions as well").check();
    await dialog.getByRole("button", { name: "Ban" }).click();
    await Promise.all([meeting.client.closed(), session.client.closed(), session.server.closed()]);
    await rowWith(page, "Registrations", "fe-out").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Unban id:fe-out" }).click();
    await dialog.getByRole("button", { name: "Take back" }).click();
    await rowWith(page, "Bans", "id:fe-out").waitFor({ state: "detached" });
    await meeting.server.close();
  });

  test("an address is banned and unbanned; a subject that cannot be read is refused", async () => {
    const { page } = await board.load();
    const bans = async () => (await board.ask<{ bans: BanRow[] }>("bans")).bans;
    await page.getByRole("button", { name: "Ban…" }).click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByLabel("Address or id").fill("nobody knows what");
    await dialog.getByRole("button", { name: "Ban" }).click();
    await dialog.getByText("Not done: ").waitFor();
    await dialog.getByLabel("Address or id").fill("address:198.51.100.7");
    await dialog.getByLabel("Reason").fill("too <b>loud</b>");
    await dialog.getByRole("button", { name: "Ban" }).click();
    await page.getByText("address:198.51.100.7 is banned.").waitFor();
    await rowWith(page, "Bans", "too <b>loud</b>").waitFor();
    const [ban] = await bans();
    expect(ban.subject).toBe("address:198.51.100.7");
    expect(ban.until_unix_ms! - ban.since_unix_ms).toBe(3_600_000);
    await page.getByRole("button", { name: "Unban address:198.51.100.7" }).click();
    await dialog.getByRole("button", { name: "Take back" }).click();
    await rowWith(page, "Bans", "198.51.100.7").waitFor({ state: "detached" });
    expect(await bans()).toEqual([]);
  });
});

describe("tokens", () => {
  test("a token is asked for, kept for the tab only, and forgotten on signing out", async () => {
    const { page } = await board.openSignedOut();
    await page.getByText("This gateway wants a token").waitFor();
    expect(await page.locator("main").isVisible()).toBe(false);
    await page.getByLabel("Token").fill("a-wrong-one-of-some-length");
    await page.keyboard.press("Enter");
    await page.getByText("Not taken: ").waitFor();
    await signIn(page, "the-operator-of-these-tests");
    await page.reload();
    await page.locator("#figures .figure").first().waitFor();
    expect(page.url()).toBe(`${board.origin}/`);
    expect(await page.evaluate("document.cookie + JSON.stringify(localStorage)")).toBe("{}");
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel("Token").waitFor();
    expect(await page.evaluate("sessionStorage.length")).toBe(0);
  });

  test("a token that may only read sees everything and is told why it may order nothing", async () => {
    const meeting = await Meeting.of(board.gateway, { name: "reader" });
    const session = await meeting.tcpSession();
    const { page } = await board.open({ token: read_token });
    await page.getByRole("button", { name: `Kick session ${session.grant.session_id}` }).click();
    const dialog = page.getByRole("alertdialog");
    await dialog.getByRole("button", { name: "Kick session" }).click();
    await dialog.getByText("Not done: this token may look but not give orders").waitFor();
    await session.client.write("unharmed");
    await session.server.reached(8);
    session.client.destroy();
    await session.server.turnedAway();
    await meeting.close();
  });
});
