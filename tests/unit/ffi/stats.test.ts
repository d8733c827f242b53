import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeStats, emptyStats, type SrtStats, STATS_BYTES } from "../../../ffi/libsrt/stats.ts";
import { srtOptions } from "../../../ffi/libsrt/options.ts";
import { srtErrorName } from "../../../ffi/libsrt/errors.ts";

const names = Object.keys(emptyStats()) as (keyof SrtStats)[];

/** Prints the struct with a different value in each field, and constants, as the compiler sees them. */
function fromHeader(): { size: number; struct: Uint8Array; constants: Record<string, number> } {
  const folder = mkdtempSync(join(tmpdir(), "srt-header-"));
  try {
    const constants = [...Object.keys(srtOptions), ...errorNames()];
    const source = `#include <srt/srt.h>
#include <cstdio>
#include <cstring>
int main() {
  SRT_TRACEBSTATS s;
  memset(&s, 0xee, sizeof s);
${names.map((name, i) => `  s.${name} = ${valueOf(i)};`).join("\n")}
  printf("%zu\\n", sizeof s);
  for (size_t i = 0; i < sizeof s; i++) printf("%02x", ((unsigned char*)&s)[i]);
  printf("\\n");
${constants.map((name) => `  printf("${name} %d\\n", (int)${name});`).join("\n")}
}
`;
    writeFileSync(join(folder, "layout.cpp"), source);
    const built = spawnSync("g++", ["-o", join(folder, "layout"), join(folder, "layout.cpp")]);
    if (built.status !== 0) throw new Error(`g++ failed: ${built.stderr}`);
    const [size, hex, ...lines] = spawnSync(join(folder, "layout")).stdout.toString().trim()
      .split("\n");
    return {
      size: Number(size),
      struct: Uint8Array.from(hex.match(/../g)!, (byte) => parseInt(byte, 16)),
      constants: Object.fromEntries(lines.map((line) => {
        const [name, number] = line.split(" ");
        return [name, Number(number)];
      })),
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A value that tells its field from every other. */
const valueOf = (i: number) => 1_000 + 7 * i;

/** The names in the table of errors that the header of this libsrt declares, too. */
function errorNames(): string[] {
  const header = readFileSync("/usr/include/srt/srt.h", "utf8");
  const ours = Array.from({ length: 7_001 }, (_, code) => srtErrorName(code))
    .filter((name) => name.startsWith("SRT_E"));
  return ours.filter((name) => new RegExp(`\\b${name}\\b`).test(header));
}

describe("libsrt's numbers", () => {
  const { size, struct, constants } = fromHeader();

  test("every statistic is read from where the header has it", () => {
    const memory = new Uint8Array(STATS_BYTES);
    memory.set(struct);
    const stats = decodeStats(new DataView(memory.buffer), emptyStats());
    for (const [i, name] of names.entries()) {
      expect(`${name} ${stats[name]}`).toBe(`${name} ${valueOf(i)}`);
    }
    expect(STATS_BYTES).toBeGreaterThanOrEqual(size);
  });

  test("every option has the header's number", () => {
    for (const [name, { number }] of Object.entries(srtOptions)) {
      expect(`${name} ${number}`).toBe(`${name} ${constants[name]}`);
    }
  });

  test("every error has the header's number", () => {
    const found = errorNames();
    expect(found.length).toBeGreaterThan(35);
    for (const name of found) expect(srtErrorName(constants[name])).toBe(name);
  });
});

test("64-bit counters beyond 2^32 and negative ones are read whole", () => {
  const view = new DataView(new ArrayBuffer(STATS_BYTES));
  view.setBigInt64(8, 2n ** 40n + 5n, true);
  view.setBigInt64(16, -3n, true);
  view.setInt32(24, -1, true);
  view.setFloat64(328, 0.125, true);
  const stats = decodeStats(view, emptyStats());
  expect(stats.pktSentTotal).toBe(2 ** 40 + 5);
  expect(stats.pktRecvTotal).toBe(-3);
  expect(stats.pktSndLossTotal).toBe(-1);
  expect(stats.msRTT).toBe(0.125);
});
