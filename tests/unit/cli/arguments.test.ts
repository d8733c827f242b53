import { Command } from "commander";
import { expect, test } from "bun:test";
import { normaliseArguments } from "../../../src/cli/arguments.ts";

function program(): Command {
  const root = new Command("relayx").option("--config_path <path>").option("-V, --version");
  root.command("tool").alias("t")
    .option("-a, --addr <addr>")
    .option("--token <token>")
    .option("--rate_mbps <rate>")
    .option("--srt", "use SRT", true)
    .option("--no-srt")
    .option("--keep_samples")
    .option("--report [file]");
  return root;
}

test.each([
  // One dash or two, a value apart or behind "=".
  ["-config_path x", "--config_path x"],
  ["-config_path=x", "--config_path=x"],
  ["--config_path=x=y", "--config_path=x=y"],
  ["tool -addr h:1 -token abc", "tool --addr h:1 --token abc"],
  ["t -addr h:1", "t --addr h:1"],
  // What is no option of the command stays for the command line library to refuse.
  ["-addr x", "-addr x"],
  ["tool -config_path x", "tool -config_path x"],
  ["tool -nonsense", "tool -nonsense"],
  // Short options, help and negative numbers.
  ["-V", "-V"],
  ["-h", "-h"],
  ["-v", "-v"],
  ["-help", "--help"],
  ["-version", "--version"],
  ["tool -help", "tool --help"],
  ["tool -a -addr", "tool -a -addr"],
  ["tool -rate_mbps -3", "tool --rate_mbps -3"],
  ["-5", "-5"],
  // A value may look like an option.
  ["tool -token -addr", "tool --token -addr"],
  ["tool --token -srt=false -addr x", "tool --token -srt=false --addr x"],
  ["tool -report -addr x", "tool --report --addr x"],
  // Go's booleans.
  ["tool -srt", "tool --srt"],
  ["tool -srt=true", "tool --srt"],
  ["tool -srt=T", "tool --srt"],
  ["tool --srt=1", "tool --srt"],
  ["tool -srt=false", "tool --no-srt"],
  ["tool --srt=0", "tool --no-srt"],
  ["tool -no-srt=false", "tool --srt"],
  ["tool -keep_samples=false", "tool"],
  ["tool -srt=maybe", "tool --srt=maybe"],
  // Behind "--" nothing is an option.
  ["tool -- -addr x", "tool -- -addr x"],
  ["-", "-"],
])("%s", (given, expected) => {
  expect(normaliseArguments(program(), given.split(" "))).toEqual(expected.split(" "));
});

test("an empty argument and a value with a newline stay", () => {
  expect(normaliseArguments(program(), ["tool", "-token", "", "-addr=a\nb"])).toEqual([
    "tool",
    "--token",
    "",
    "--addr=a\nb",
  ]);
});
