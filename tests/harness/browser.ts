/**
 * A real Chromium without a window, and pages of it that are watched: a request to another origin, a
 * line of an error on the console, an exception and a violation of the page's policy are all faults.
 */
import { existsSync } from "node:fs";
import { type Browser, chromium, type Page } from "playwright-core";
import { patience_ms } from "./deadline.ts";

const executable = ["/usr/bin/chromium", "/usr/bin/google-chrome"].find(existsSync);

export const has_browser = executable !== undefined;

export interface PageManner {
  width?: number;
  height?: number;
  theme?: "light" | "dark";
  /** A finger instead of a mouse. */
  touch?: boolean;
}

/** A page and what was wrong with it. */
export interface WatchedPage {
  page: Page;
  faults: string[];
  /** The next answer that the page gets to a question of this name, as the API gave it. */
  nextAnswer(name: string): Promise<unknown>;
  close(): Promise<void>;
}

export class TestBrowser {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async start(): Promise<TestBrowser> {
    const browser = await chromium.launch({
      executablePath: executable,
      // Tests run as root in containers, where Chromium's sandbox cannot be set up.
      args: ["--no-sandbox", "--disable-dev-shm-usage"],
    });
    return new TestBrowser(browser);
  }

  close(): Promise<void> {
    return this.#browser.close();
  }

  /** A page of a browser that remembers nothing. */
  async page(origin: string, manner: PageManner = {}): Promise<WatchedPage> {
    const { width = 1280, height = 900, theme = "light" } = manner;
    const context = await this.#browser.newContext({
      viewport: { width, height },
      colorScheme: theme,
      reducedMotion: "no-preference",
      hasTouch: manner.touch ?? false,
    });
    context.setDefaultTimeout(patience_ms);
    const page = await context.newPage();
    const faults: string[] = [];
    page.on("console", (line) => {
      if (line.type() !== "error") return;
      // Answers that refuse and requests that get none are what tests bring about: the browser has a
      // line for each, whatever the page makes of them.
      const { pathname } = new URL(line.location().url || origin);
      const is_ours = pathname.startsWith("/api/") || line.text().includes("ERR_INTERNET_DISC");
      if (!line.text().startsWith("Failed to load") || !is_ours) {
        faults.push(`console: ${line.text()}`);
      }
    });
    page.on("pageerror", (error) => faults.push(`exception: ${error.message}`));
    page.on("request", (request) => {
      if (new URL(request.url()).origin !== origin) faults.push(`request: ${request.url()}`);
    });
    await page.addInitScript(
      `document.addEventListener("securitypolicyviolation", (event) =>
        console.error("policy: " + event.violatedDirective + " " + event.blockedURI));`,
    );
    const nextAnswer = async (name: string): Promise<unknown> => {
      const response = await page.waitForResponse((one) =>
        one.ok() && new URL(one.url()).pathname.endsWith(`/${name}`)
      );
      return await response.json();
    };
    return { page, faults, nextAnswer, close: () => context.close() };
  }
}
