/**
 * The benchmark: relayx and what one would use instead, side by side on the same work.
 *
 * `main` → `suite` (rounds) → a measure (`measures/`, one question each) → a contender
 * (`contenders/`, one relay each) → load generators (`load/`, processes of their own) → samples →
 * `report` (Markdown, JSON, SVG in `bench/results/`).
 *
 * Everything is on the loopback of a network namespace (`network.ts`), bounded in time and number, and
 * ends with the program. To add a
 * contender or a measure, write one file of the same shape and name it in `all.ts` beside it.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import process from "node:process";
import { repository } from "../tests/harness/runtime.ts";
import { allContenders } from "./contenders/all.ts";
import { describeMachine } from "./facts/machine.ts";
import { allMeasures } from "./measures/all.ts";
import { chooseCongestion, describeNetwork, enterOwnNetwork } from "./network.ts";
import { type Options, parseOptions, USAGE } from "./options.ts";
import { writeReport } from "./report.ts";
import type { Sample } from "./sample.ts";
import { type Progress, Suite } from "./suite.ts";

async function main(argv: string[]): Promise<number> {
  const contenders = allContenders();
  let options: Options | null;
  try {
    options = parseOptions(argv, {
      measures: allMeasures.map(({ name }) => name),
      contenders: contenders.map(({ name }) => name),
    });
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  if (!options) {
    console.log(USAGE);
    return 0;
  }
  const ended_inside = await enterOwnNetwork(argv);
  if (ended_inside !== null) return ended_inside;
  try {
    chooseCongestion(options.congestion);
  } catch (error) {
    console.error((error as Error).message);
    return 2;
  }
  return await bench(options, contenders);
}

async function bench(options: Options, all: ReturnType<typeof allContenders>): Promise<number> {
  const { size, only, contenders: wanted, out } = options;
  const contenders = all.filter(({ name }) => wanted?.includes(name) ?? true);
  const measures = allMeasures.filter(({ name }) => only?.includes(name) ?? true);
  const started = new Date();
  const versions: Record<string, string> = {};
  for (const { name, version } of contenders) {
    versions[name] = await version().catch((error: Error) => error.message);
  }
  const progress = new Lines();
  const suite = new Suite({ measures, contenders, size, progress });
  let interrupted = false;
  const interrupt = () => {
    interrupted = true;
    void suite.close();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  let samples: Sample[];
  try {
    samples = await suite.run();
  } finally {
    await suite.close();
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
  }
  if (interrupted) {
    console.error("Interrupted: no report was written.");
    return 130;
  }
  await writeReport({
    run: {
      started_at: started.toISOString(),
      took_s: Math.round((Date.now() - started.getTime()) / 1000),
      size,
      machine: { ...describeMachine(), network: describeNetwork() },
      versions,
      samples,
    },
    measures,
    contenders,
    findings: await readFile(join(repository, "bench", "findings.md"), "utf8").catch(() => ""),
    out,
  });
  const failed = samples.filter((sample) => sample.failed !== null);
  console.log(`${samples.length} samples, ${failed.length} failed; ${join(out, "report.md")}`);
  // Peers may be missing; that relayx fails is a failure of the benchmark.
  return failed.some(({ contender }) => contender === "relayx") ? 1 : 0;
}

/** A line per sample, and on a terminal what is going on meanwhile. */
class Lines implements Progress {
  readonly #terminal = process.stderr.isTTY === true;
  readonly #started = performance.now();
  #words = "";

  sample(words: string): void {
    this.#words = words;
    this.detail("");
  }

  detail(words: string): void {
    if (this.#terminal) process.stderr.write(`\r\x1b[K${this.#words}${words && ` – ${words}`}`);
  }

  done({ measure, case: case_name, contender, round, values, noise, failed }: Sample): void {
    if (this.#terminal) process.stderr.write("\r\x1b[K");
    const seconds = ((performance.now() - this.#started) / 1000).toFixed(0).padStart(5);
    const columns = allMeasures.find(({ name }) => name === measure)?.columns ?? [];
    const words = columns.filter(({ value }) => Number.isFinite(values[value])).slice(0, 3)
      .map(({ value, label, unit, digits }) => `${label} ${values[value].toFixed(digits)} ${unit}`);
    const outcome = failed === null ? words.join(", ") : `FAILED: ${failed}`;
    const disturbed = noise?.disturbed ? ` (disturbed: ${noise.disturbed})` : "";
    const what = `${measure}, ${case_name}, ${contender}, round ${round}`;
    console.log(`${seconds} s  ${what}: ${outcome}${disturbed}`);
  }
}

process.exitCode = await main(process.argv.slice(2));
