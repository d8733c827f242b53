/** Completions are asked of the real shells: what do they offer at the end of this line? */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command, Option } from "commander";
import { outline } from "../../../src/cli/command-outline.ts";
import { completion } from "../../../src/cli/completion-text.ts";
import { SHELLS } from "../../../src/cli/completion.ts";
import { createProgram } from "../../../src/cli/program.ts";
import { plainEnvironment } from "../../harness/runtime.ts";
import { relayx } from "./command.ts";

setDefaultTimeout(20_000);

const silent = { stdout: () => {}, stderr: () => {}, env: {} };
let folder = "";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "relayx-completion-"));
  writeFileSync(join(folder, "some file.yaml"), "");
  for (const shell of SHELLS) {
    writeFileSync(
      join(folder, `_relayx.${shell}`),
      completion(shell, outline(createProgram(silent))),
    );
  }
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a script of the shell in the folder with the completions, without the user's own settings. */
function shell(command: string, args: string[]): string[] {
  const env = plainEnvironment({ HOME: folder, XDG_CONFIG_HOME: folder, TERM: "dumb" });
  return execFileSync(command, args, { cwd: folder, env, encoding: "utf8" })
    .split("\n").filter(Boolean);
}

/** What bash offers; it hands a completion the words as it splits them, `=` on its own. */
function bash(line: string): string[] {
  const words = line.split(/(=)| /).filter((word) => word !== undefined);
  const quoted = words.map((word) => `'${word}'`).join(" ");
  return shell("bash", [
    "--norc",
    "-c",
    `set -u; source ./_relayx.bash; COMP_WORDS=(${quoted}); COMP_CWORD=${words.length - 1}
     _relayx; printf '%s\\n' "\${COMPREPLY[@]}"`,
  ]);
}

function fish(line: string): string[] {
  return shell("fish", ["-c", `source ./_relayx.fish; complete -C '${line}'`])
    .map((offer) => offer.split("\t")[0]);
}

/**
 * What zsh offers: its completion only runs in a terminal, so it gets one, and a completer at the end
 * that tells the matches instead of showing them.
 */
function zsh(line: string): string[] {
  const script = `
    zmodload zsh/zpty
    zpty inner zsh -f -i
    zpty -w inner "PS1=; unsetopt zle_bracketed_paste; fpath=('$PWD' \\$fpath)"
    zpty -w inner "autoload -Uz compinit; compinit -u -C -d ./zcompdump; source ./_relayx.zsh"
    zpty -w inner "compadd() { builtin compadd -O found \\"\\$@\\"; [[ -n \\$found ]] && told+=(\\$found)"
    zpty -w inner "builtin compadd \\"\\$@\\" }"
    zpty -w inner "tell() { local -a told; _main_complete; print -r -- BEGIN \\\${(j:|:)told} END }"
    zpty -w inner "zle -C tell complete-word tell; bindkey '^I' tell; print RE''ADY"
    zpty -r inner heard '*READY*'
    zpty -w -n inner $'${line}\\t'
    zpty -r inner heard '*BEGIN*END*'
    print -r -- $heard
    zpty -d inner`;
  const told = shell("zsh", ["-f", "-c", script]).join("");
  // The terminal breaks lines where it is full.
  const offers = /BEGIN ([^]*?) ?END/.exec(told.replaceAll("\r", ""))?.[1] ?? told;
  return offers.split("|").map((offer) => offer.trim()).filter(Boolean);
}

const commands = createProgram(silent).commands.map((one) => one.name());

describe.each([["bash", bash], ["fish", fish], ["zsh", zsh]])("%s", (_, offers) => {
  // Some shells offer a file's name as it has to be typed.
  const sorted = (line: string) =>
    [...new Set(offers(line).map((offer) => offer.replaceAll("\\", "")))].sort();

  test("offers the commands, all of them and by their beginning", () => {
    expect(sorted("relayx ")).toEqual(expect.arrayContaining([...commands].sort()));
    expect(sorted("relayx st")).toEqual(commands.filter((name) => name.startsWith("st")).sort());
    expect(sorted("relayx video-be --id x --to")).toEqual(["--token"]);
  });

  test("offers a command's options and not another's, behind options with values too", () => {
    expect(sorted("relayx url cam --ho")).toEqual(["--host"]);
    expect(sorted("relayx --config_path start check --ho")).toEqual([]);
    expect(sorted("relayx --config_path start check --conf")).toEqual(["--config_path"]);
  });

  test("offers what a value may be: choices, files, or nothing", () => {
    expect(sorted("relayx url cam --mode ")).toEqual(["publish", "read"]);
    expect(sorted("relayx completion f")).toEqual(["fish"]);
    expect(sorted("relayx url --host ")).toEqual([]);
    expect(sorted("relayx check --config_path some")).toEqual(["some file.yaml"]);
  });
});

test("bash: a value behind = is completed as well", () => {
  expect(bash("relayx url cam --mode=")).toEqual(["publish", "read"]);
  expect(bash("relayx url cam --mode=p")).toEqual(["publish"]);
  expect(bash("relayx url cam --mode=read --po")).toEqual(["--port"]);
});

test("texts with every character that a shell reads otherwise are passed through as they are", () => {
  const program = new Command("relayx");
  const odd = `it's "odd": $HOME [a] \\ \`x\``;
  program.command("go").description(odd).addOption(
    new Option("-x, --extra [bool]", odd),
  );
  for (const shell of SHELLS) {
    writeFileSync(join(folder, `odd.${shell}`), completion(shell, outline(program)));
  }
  expect(shell("bash", ["--norc", "-c", "source ./odd.bash; echo fine"])).toEqual(["fine"]);
  expect(shell("zsh", ["-f", "-n", "./odd.zsh"])).toEqual([]);
  expect(shell("fish", ["-c", "source ./odd.fish; complete -C 'relayx g'"])).toEqual([
    `go\t${odd}`,
  ]);
});

test("the command prints them, and names the shells that it knows", async () => {
  const { code, stdout } = await relayx(["completion", "fish"]);
  expect([code, stdout.split("\n")[0]]).toEqual([
    0,
    '# Completion of relayx for fish; made by "relayx completion fish".',
  ]);
  const wrong = await relayx(["completion", "tcsh"]);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("bash, zsh, fish")]);
});
