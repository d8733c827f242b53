/** The dashboard for everybody: contrast, names, narrow screens, no motion; light and dark. */
import {
  afterAll,
  afterEach,
  beforeAll,
  expect,
  setDefaultTimeout,
  test as anyTest,
} from "bun:test";
import type { Page } from "playwright-core";
import { has_browser, TestBrowser } from "../harness/browser.ts";
import { check, Dashboard, rowWith } from "../harness/dashboard.ts";
import { Meeting, type TcpSession } from "../harness/meeting.ts";
import { V4Client } from "../harness/v4-client.ts";

setDefaultTimeout(60_000);

const test = anyTest.skipIf(!has_browser);

let browser: TestBrowser;
let board: Dashboard;
let meeting: Meeting;
let session: TcpSession;

/** Something of everything, so that every part of the page has text to look at. */
beforeAll(async () => {
  if (!has_browser) return;
  browser = await TestBrowser.start();
  board = await Dashboard.start(browser, { gosrt: { shared_port: "off" } });
  meeting = await Meeting.of(board.gateway, { name: "a-name-that-is-rather-long-for-a-phone" });
  session = await meeting.tcpSession();
  await meeting.session("zmq");
  const twin = await V4Client.connect({ port: board.gateway.control_port });
  await twin.tryRegister({ role: "client", id: meeting.client.id, token: "t" });
  await twin.close();
});

afterAll(async () => {
  session?.client.destroy();
  session?.server.destroy();
  await meeting?.close();
  await board?.close();
  await browser?.close();
});

afterEach(async () => {
  expect(await board?.takeFaults() ?? []).toEqual([]);
});

async function settled(page: Page): Promise<void> {
  await rowWith(page, "Sessions", session.grant.session_id).waitFor();
  await page.locator(".refusals li").first().waitFor();
}

/** Text is readable on its ground, and every control says what it is. */
async function expectReadable(page: Page, texts_min: number): Promise<void> {
  const { faults, looked_at } = await check<{ faults: string[]; looked_at: number }>(
    page,
    "contrastFaults",
  );
  expect(faults).toEqual([]);
  // None at all would be found if nothing was looked at.
  expect(looked_at).toBeGreaterThanOrEqual(texts_min);
  expect(await check(page, "structureFaults")).toEqual([]);
}

for (const theme of ["light", "dark"] as const) {
  test(`${theme}: every text stands out and every control has a name, dialogs too`, async () => {
    const { page } = await board.load();
    await page.emulateMedia({ colorScheme: theme });
    await settled(page);
    await expectReadable(page, 60);
    const ground = await page.evaluate("getComputedStyle(document.body).backgroundColor");
    expect(ground).toBe(theme === "light" ? "rgb(243, 245, 248)" : "rgb(14, 18, 24)");
    await page.getByRole("button", { name: "Drain…" }).click();
    await expectReadable(page, 60);
    await page.keyboard.press("Escape");
    await page.getByRole("link", { name: session.grant.session_id }).first().click();
    await page.locator(".events li").first().waitFor();
    await expectReadable(page, 60);
    await page.keyboard.press("Escape");
    await page.context().setOffline(true);
    await page.getByRole("alert").filter({ hasText: "No contact" }).waitFor();
    await expectReadable(page, 60);
    await page.context().setOffline(false);
    await page.getByText("Live", { exact: true }).waitFor();
  });
}

test("the checks themselves find what is wrong", async () => {
  const { page } = await board.load();
  await page.emulateMedia({ colorScheme: "light" });
  await settled(page);
  await page.evaluate(`{
    const faint = document.createElement("p");
    faint.textContent = "hardly to be read";
    faint.style.color = "#c8c8c8";
    const nameless = document.createElement("button");
    const wide = document.createElement("div");
    wide.style.width = "3000px";
    wide.style.height = "9px";
    document.querySelector("main").append(faint, nameless, wide);
  }`);
  const { faults } = await check<{ faults: string[] }>(page, "contrastFaults");
  expect(faults.join()).toContain("hardly to be read");
  expect((await check<string[]>(page, "structureFaults")).join()).toContain("no name: <button");
  expect((await check<string[]>(page, "narrowFaults")).join()).toContain("the page is");
});

test("the theme can be chosen, and the choice is kept", async () => {
  const { page } = await board.load();
  await page.emulateMedia({ colorScheme: "light" });
  const ground = () => page.evaluate("getComputedStyle(document.body).backgroundColor");
  const light = await ground();
  await page.getByLabel("Theme").selectOption("dark");
  const dark = await ground();
  expect(dark).not.toBe(light);
  await page.reload();
  expect(await ground()).toBe(dark);
  await page.getByLabel("Theme").selectOption("system");
  expect(await ground()).toBe(light);
});

test("nothing sticks out at any width, and on phones orders are given by finger", async () => {
  const manner = { width: 360, height: 740, touch: true, theme: "dark" } as const;
  const { page } = await board.open(manner);
  await settled(page);
  const kick = page.getByRole("button", { name: `Kick session ${session.grant.session_id}` });
  const dialog = page.getByRole("alertdialog");
  const explained = page.getByRole("dialog", { name: session.grant.session_id });
  for (const width of [1366, 1280, 1100, 800, 600]) {
    await page.setViewportSize({ width, height: 740 });
    await page.evaluate("new Promise(requestAnimationFrame)");
    expect([width, await check(page, "narrowFaults")]).toEqual([width, []]);
  }
  for (const width of [360, 320]) {
    await page.setViewportSize({ width, height: 740 });
    await page.evaluate("new Promise(requestAnimationFrame)");
    expect([width, await check(page, "narrowFaults")]).toEqual([width, []]);
    await expectReadable(page, 60);
    await kick.tap();
    expect(await check(page, "narrowFaults")).toEqual([]);
    await dialog.getByRole("button", { name: "Cancel" }).tap();
    await dialog.waitFor({ state: "hidden" });
    await page.getByRole("link", { name: session.grant.session_id }).first().tap();
    await explained.locator(".events li").first().waitFor();
    expect(await check(page, "narrowFaults")).toEqual([]);
    await explained.getByRole("button", { name: "Close" }).tap();
    await explained.waitFor({ state: "hidden" });
  }
});

test("who wants no motion gets none, and everybody else may skip to the content", async () => {
  const { page } = await board.load();
  await page.emulateMedia({ reducedMotion: "reduce" });
  await settled(page);
  expect(await check(page, "motionFaults")).toEqual([]);
  await page.reload();
  await settled(page);
  await page.keyboard.press("Tab");
  expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the content");
  await page.keyboard.press("Enter");
  expect(await page.evaluate("document.activeElement.id")).toBe("main");
});
