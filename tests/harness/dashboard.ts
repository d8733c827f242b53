/** A gateway with an admin port, and its page in a browser, as an operator would use it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "playwright-core";
import { within } from "./deadline.ts";
import type { PageManner, TestBrowser, WatchedPage } from "./browser.ts";
import { GatewayProcess, type Settings } from "./gateway-process.ts";

export const admin_token = "the-operator-of-these-tests";
export const read_token = "who-may-only-look-at-them";

const checks = readFileSync(join(import.meta.dirname, "page-checks.js"), "utf8");

export class Dashboard {
  readonly gateway: GatewayProcess;
  readonly origin: string;
  readonly #browser: TestBrowser;
  readonly #open = new Set<WatchedPage>();
  /** Signed in once, and loaded anew for each test that has no wishes of its own. */
  #usual: WatchedPage | null = null;

  private constructor(gateway: GatewayProcess, origin: string, browser: TestBrowser) {
    this.gateway = gateway;
    this.origin = origin;
    this.#browser = browser;
  }

  static async start(browser: TestBrowser, settings: Settings = {}): Promise<Dashboard> {
    const admin = { port: 0, token: admin_token, read_token };
    const gateway = await GatewayProcess.start({ settings: { admin, ...settings } });
    const { admin_port } = await gateway.logged("admin_serving");
    return new Dashboard(gateway, `http://127.0.0.1:${admin_port}`, browser);
  }

  async close(): Promise<void> {
    await this.takeFaults();
    await this.#usual?.close();
    await this.gateway.stop();
  }

  /** What was wrong with the pages since the last time; those of one test only are closed. */
  async takeFaults(): Promise<string[]> {
    const usual = this.#usual?.faults.splice(0) ?? [];
    const faults = [...this.#open].flatMap((watched) => watched.faults);
    await Promise.all([...this.#open].map((watched) => watched.close()));
    this.#open.clear();
    return [...usual, ...faults];
  }

  /** The API's own answer, past the page. */
  async ask<Answer>(path: string, method: "GET" | "DELETE" = "GET"): Promise<Answer> {
    const headers = { authorization: `Bearer ${admin_token}`, connection: "close" };
    const answer = await within(path, fetch(`${this.origin}/api/v1/${path}`, { method, headers }));
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
    return await answer.json() as Answer;
  }

  /** The page as it is before anybody has signed in. */
  async openSignedOut(manner: PageManner = {}): Promise<WatchedPage> {
    const watched = await this.#browser.page(this.origin, manner);
    this.#open.add(watched);
    await watched.page.goto(this.origin);
    return watched;
  }

  /** The page with everything on it, as it is when it is loaded. */
  async load(): Promise<WatchedPage> {
    if (this.#usual === null) {
      this.#usual = await this.#browser.page(this.origin, {});
      await this.#usual.page.goto(this.origin);
      await signIn(this.#usual.page, admin_token);
      return this.#usual;
    }
    const { page } = this.#usual;
    await page.unrouteAll();
    await page.goto(this.origin);
    await isLive(page);
    return this.#usual;
  }

  /** The same in a browser of its own. */
  async open(manner: PageManner & { token?: string } = {}): Promise<WatchedPage> {
    const watched = await this.openSignedOut(manner);
    await signIn(watched.page, manner.token ?? admin_token);
    return watched;
  }
}

export async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await isLive(page);
}

async function isLive(page: Page): Promise<void> {
  await page.getByText("Live", { exact: true }).waitFor();
}

/** The row of a table that has this text in it. */
export function rowWith(page: Page, table: string, text: string): Locator {
  return page.getByRole("table", { name: table }).locator("tbody tr", { hasText: text });
}

/** Runs one of the functions of `page-checks.js` in the page. */
export async function check<Result>(page: Page, name: string): Promise<Result> {
  return await page.evaluate(`(() => { ${checks}\n return globalThis.${name}(); })()`) as Result;
}
