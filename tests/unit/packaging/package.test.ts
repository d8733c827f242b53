/** The pieces that the Debian package is made of. */
import { Buffer } from "node:buffer";
import { describe, expect, test } from "bun:test";
import { changelogHead, debianVersion } from "../../../packaging/changelog.ts";
import { configPage } from "../../../packaging/config-page.ts";
import { compareVersions, neededGlibc } from "../../../packaging/elf.ts";
import { ManPage } from "../../../packaging/roff.ts";
import { serviceConfig } from "../../../packaging/service-config.ts";

const facts = { version: "1.2.3", date: "2026-01-02" };

describe("the changelog", () => {
  const entry = "relayx (1.2.3) unstable; urgency=medium\n\n  * Something.\n\n" +
    " -- Some Body <some@body.invalid>  Fri, 02 Jan 2026 03:04:05 +0100\n";

  test("says by its newest entry what is packaged and when", () => {
    expect(changelogHead(`${entry}\n${entry.replace("1.2.3", "1.2.2")}`)).toEqual({
      version: "1.2.3",
      epoch_s: Date.UTC(2026, 0, 2, 2, 4, 5) / 1000,
      maintainer: "Some Body <some@body.invalid>",
    });
  });

  test.each([
    ["", ""],
    ["relayx", "other"],
    [" -- ", " - "],
    ["Fri, 02 Jan", "some day"],
  ])("without %p it is refused", (found, instead) => {
    const text = found === "" ? "" : entry.replace(found, instead);
    expect(() => changelogHead(text)).toThrow(/^packaging\/debian\/changelog does not begin/);
  });

  test("a version before another one is so for Debian too", () => {
    expect([debianVersion("1.0.0"), debianVersion("1.0.0-rc.1")]).toEqual(["1.0.0", "1.0.0~rc.1"]);
  });
});

test("man pages pass on what roff would read as its own", () => {
  const page = new ManPage({ name: "x", section: 1, date: "2026-01-02", source: "s", manual: "m" });
  page.section("ONE").paragraph(".not a macro\n'nor this\na\\b --long")
    .definition(['say "it"', "other"], ["first", "second"]).verbatim("a\n\n  b");
  expect(page.toString().split("\n").slice(3)).toEqual([
    '.SH "ONE"',
    "\\&.not a macro",
    "\\&'nor this",
    "a\\eb \\-\\-long",
    ".TP",
    '.B "say ""it"""',
    ".TQ",
    '.B "other"',
    "first",
    ".IP",
    "second",
    ".PP",
    ".nf",
    ".RS 0",
    "a",
    "\\&",
    "  b",
    ".RE",
    ".fi",
    "",
  ]);
});

test("the configuration's page has sections, keys with all their names, and texts in between", () => {
  const text = configPage(
    "# About all.\n#\n# More.\n\n# A section.\none:\n  # Two keys.\n  # Their text.\n  a: 1\n" +
      "  b: 2\n\n  # Third.\n  c: 3\n  # Close by.\n  d: 4\n",
    facts,
  );
  expect(text.split("\n").slice(5, 30)).toEqual([
    '.SH "DESCRIPTION"',
    "About all.",
    ".PP",
    "More.",
    '.SH "ONE"',
    "A section.",
    ".TP",
    '.B "a: 1"',
    ".TQ",
    '.B "b: 2"',
    "Two keys.",
    "Their text.",
    ".TP",
    '.B "c: 3"',
    "Third.",
    ".TP",
    '.B "d: 4"',
    "Close by.",
    '.SH "FILES"',
    ".TP",
    '.B "/etc/relayx/config.yaml"',
    "What the service reads.",
    '.SH "SEE ALSO"',
    "relayx(1)",
    "",
  ]);
  expect(() => configPage("one:\n  a: 1\n", facts)).toThrow("does not begin with a comment");
});

test("a configuration that no longer has what the service changes is refused, not passed on", () => {
  expect(() => serviceConfig("logging:\n  output: console\n")).toThrow(/exactly once$/);
});

describe("the needed glibc", () => {
  test("is compared by numbers", () => {
    expect(["2.9", "2.36", "2.4", "2.36.1"].sort(compareVersions))
      .toEqual(["2.4", "2.9", "2.36", "2.36.1"]);
  });

  test("cannot be told of what is no ELF file of ours", () => {
    expect(() => neededGlibc(Buffer.alloc(64))).toThrow("not a 64-bit little-endian ELF file");
    const empty = Buffer.alloc(64);
    empty.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
    expect(() => neededGlibc(empty)).toThrow("asks for no version of glibc");
  });
});
