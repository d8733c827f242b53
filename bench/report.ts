/**
 * Writes what came out: `report.md` for people, `raw.json` with every sample, and a plot per question
 * as SVG. The causes that were found for what a goal misses stand in `findings.md`, which is written
 * by hand: the part of it under a heading with a measure's name goes into that measure's section, and
 * what stands before the first heading goes to the top.
 */
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Contender } from "./contenders/contender.ts";
import type { Machine } from "./facts/machine.ts";
import { Figures } from "./figures/figures.ts";
import { drawPlot } from "./figures/plot.ts";
import { figure, table, wordTable } from "./figures/words.ts";
import { projection } from "./projection.ts";
import type { Goal, Measure, Sample, Size } from "./sample.ts";

export interface Run {
  started_at: string;
  took_s: number;
  size: Size;
  machine: Machine;
  /** By contender: its version, or why it has none. */
  versions: Record<string, string>;
  samples: Sample[];
}

export interface ReportOptions {
  run: Run;
  measures: readonly Measure[];
  contenders: readonly Contender[];
  findings: string;
  out: string;
}

/** Writes all files; what an older report has left in the folder goes. */
export async function writeReport(options: ReportOptions): Promise<void> {
  const { run, measures, out } = options;
  await mkdir(out, { recursive: true });
  for (const name of await readdir(out)) {
    if (name.endsWith(".svg")) await rm(join(out, name));
  }
  const plots = new Map<string, string>();
  for (const measure of measures) {
    for (const plot of measure.plots(figuresOf(run, measure))) {
      const drawn = drawPlot(plot);
      if (drawn !== null) plots.set(plot.name, drawn);
    }
  }
  for (const [name, drawn] of plots) await writeFile(join(out, `${name}.svg`), drawn);
  await writeFile(join(out, "report.md"), renderReport(options, new Set(plots.keys())));
  await writeFile(join(out, "raw.json"), rawText(run));
}

/** One sample per line: small, and a difference between two runs can be read. */
function rawText({ samples, ...head }: Run): string {
  const lines = samples.map((sample) => `  ${JSON.stringify(sample)}`);
  return `${JSON.stringify(head, null, 1).slice(0, -2)},\n "samples": [\n${
    lines.join(",\n")
  }\n ]\n}\n`;
}

function figuresOf(run: Run, measure: Measure): Figures {
  return new Figures(run.samples.filter((sample) => sample.measure === measure.name));
}

/** The Markdown; `drawn` are the plots that there is something in. */
export function renderReport(
  { run, measures, contenders, findings }: ReportOptions,
  drawn: ReadonlySet<string>,
): string {
  const found = splitFindings(findings);
  const measured = measures.filter(({ name }) =>
    run.samples.some(({ measure }) => measure === name)
  );
  const goals = measured.flatMap((measure) =>
    measure.goals(figuresOf(run, measure)).map((goal) => ({ measure, goal }))
  );
  return [
    "# Benchmark report",
    introduction(run),
    found.get("") ?? "",
    "## Goals",
    goalTable(goals, found),
    ...measured.flatMap((measure) => measureSection({ run, measure, drawn, found })),
    projection(run.samples),
    "## The machine",
    machineTable(run.machine),
    "## The contenders and how they are set up",
    ...contenders.flatMap((contender) => contenderSection(contender, run)),
    "## How to read and to repeat this",
    method(),
  ].filter((part) => part !== "").join("\n\n") + "\n";
}

function introduction({ started_at, took_s, size, machine, samples }: Run): string {
  const failed = samples.filter((sample) => sample.failed !== null).length;
  const disturbed = samples.filter(({ noise }) => noise?.disturbed).length;
  return [
    `${size.quick ? "A quick run, for a look only" : "A full run"} of ${
      minutes(took_s)
    }, started ` +
    `${started_at}, on ${machine.cores} cores of ${machine.cpu}. ${samples.length} samples, of which ` +
    `${disturbed} were disturbed by something else on the machine and ${failed} failed.`,
    size.quick ? "Figures of a quick run are not to be compared or quoted." : "",
  ].filter(Boolean).join(" ");
}

function minutes(seconds: number): string {
  return seconds < 120 ? `${seconds.toFixed(0)} seconds` : `${(seconds / 60).toFixed(0)} minutes`;
}

function goalTable(
  goals: readonly { measure: Measure; goal: Goal }[],
  found: ReadonlyMap<string, string>,
): string {
  if (goals.length === 0) return "No goal belongs to what was measured.";
  const rows = goals.map(({ measure, goal }) => [
    `${measure.title}: ${goal.what}`,
    goal.goal,
    goal.measured,
    verdict(goal),
    why(goal, measure, found),
  ]);
  return wordTable(["what", "goal", "measured", "", "why"], rows);
}

function verdict({ reached }: Goal): string {
  return reached === null ? "not measured" : reached ? "reached" : "**not reached**";
}

/** Where a goal is missed, the section says why: the causes are too long for a cell. */
function why({ reached }: Goal, measure: Measure, found: ReadonlyMap<string, string>): string {
  if (reached !== false) return "";
  return found.has(measure.name) ? `see [${measure.title}](#${anchor(measure.title)})` : "";
}

/** The anchor that Markdown viewers give to a heading. */
export function anchor(title: string): string {
  return title.toLowerCase().replace(/[^\p{L}\p{N} -]/gu, "").replaceAll(" ", "-");
}

function measureSection({ run, measure, drawn, found }: {
  run: Run;
  measure: Measure;
  drawn: ReadonlySet<string>;
  found: ReadonlyMap<string, string>;
}): string[] {
  const figures = figuresOf(run, measure);
  const sentences = measure.sentences(figures);
  return [
    `## ${measure.title}`,
    measure.about,
    ...figures.cases().flatMap((name) => [`### ${name}`, caseTable(figures, measure, name)]),
    ...measure.plots(figures).filter(({ name }) => drawn.has(name))
      .map(({ name, title }) => `![${title}](${name}.svg)`),
    sentences.length === 0 ? "" : sentences.map((sentence) => `- ${sentence}`).join("\n"),
    found.has(measure.name) ? `**Why**\n\n${found.get(measure.name)}` : "",
  ];
}

/** Median, and below it the least and the greatest round. */
function caseTable(figures: Figures, measure: Measure, case_name: string): string {
  const contenders = figures.contenders();
  const columns = measure.columns.filter(({ value }) =>
    contenders.some((name) => Number.isFinite(figures.median(case_name, name, value)))
  );
  const head = [
    "",
    ...columns.map(({ label, unit }) => unit === "" ? label : `${label}, ${unit}`),
    "rounds",
  ];
  const rows = contenders.map((name) => {
    const failure = figures.failure(case_name, name);
    const { count, disturbed } = figures.rounds(case_name, name);
    if (failure !== null) {
      return [name, ...columns.map(() => "–"), `**failed**: ${failure}`];
    }
    return [
      name,
      ...columns.map(({ value, digits }) => {
        const { median, min, max, count } = figures.spread(case_name, name, value);
        const middle = figure(median, digits);
        return count > 1 && min < max
          ? `${middle} (${figure(min, digits)}–${figure(max, digits)})`
          : middle;
      }),
      disturbed === 0 ? String(count) : `${count}, ${disturbed} disturbed`,
    ];
  });
  return table(head, rows);
}

function machineTable(machine: Machine): string {
  return wordTable(["", ""], [
    ["CPU", `${machine.cpu}, ${machine.cores} cores${machine.hypervisor ? ", virtual" : ""}`],
    ["memory", `${figure(machine.memory_gib, 1)} GiB`],
    ["kernel", machine.kernel],
    ["distribution", machine.distribution],
    ["open files", String(machine.open_files_max)],
    ["load generators", machine.runtime],
    ["network", machine.network],
    ...Object.entries(machine.sysctls),
  ]);
}

function contenderSection(contender: Contender, run: Run): string[] {
  return [
    `### ${contender.name}`,
    `${contender.setup} Version: ${run.versions[contender.name] ?? "not asked"}.`,
    "```\n" + contender.shown.trimEnd() + "\n```",
  ];
}

function method(): string {
  return [
    "`npm run bench` runs all of it, `npm run bench -- --quick` a look in under 2 minutes, " +
    "`npm run bench -- --help` says what else there is.",
    "- Everything is on the loopback. Contenders take turns case by case, and the order moves on each " +
    "round. Tables show the median and, in brackets, the least and the greatest round.",
    "- Load comes from processes of its own: single-threaded programs that make plain system calls " +
    "with buffers of 1 MiB, never from the relay's process. That they are not the bottleneck shows in " +
    "two figures: what they reach without a relay (`direct`), and their own CPU beside the relay's.",
    "- On a machine with few cores the generators and the relay share them. Rates are then what the " +
    "whole machine can do with this relay in the middle; the figure per CPU-second is the relay's own.",
    "- CPU is the user and system time of the relaying processes from `/proc/PID/stat`, children " +
    "included, read at the window's two ends.",
    "- Received bytes are checked: bulk by position-dependent content and by the whole count, echoes " +
    "and SRT messages by comparing all of them. A contender that changes, loses or doubles a byte, " +
    "closes early or does not start is shown as failed and has no figures.",
    "- A round is marked as disturbed when a fixed loop before it took over 1.2 times its best time, " +
    "the host took over 0.05 of a core away, or other programs used over 0.1 of a core. Disturbed " +
    "rounds do not count where there are others.",
  ].join("\n");
}

/** The findings by the measure that they are about; what stands before all of them is under "". */
export function splitFindings(text: string): Map<string, string> {
  const found = new Map<string, string>();
  const [head, ...parts] = text.split(/^## /m);
  // The page's own title and its comment are for whoever edits it.
  const preface = head.replace(/^# .*$/m, "").replace(/<!--[\s\S]*?-->/g, "").trim();
  if (preface !== "") found.set("", preface);
  for (const part of parts) {
    const end = part.indexOf("\n");
    const body = (end < 0 ? "" : part.slice(end)).trim();
    if (body !== "") found.set(part.slice(0, end < 0 ? undefined : end).trim(), body);
  }
  return found;
}
