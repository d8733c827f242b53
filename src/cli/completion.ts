/** `relayx completion`: what a shell needs to know so that the tabulator key completes our options. */
import { Argument, type Command } from "commander";
import { outline } from "./command-outline.ts";
import { bashCompletion } from "./completion-bash.ts";
import { fishCompletion } from "./completion-fish.ts";
import { zshCompletion } from "./completion-zsh.ts";
import type { Surroundings } from "./program.ts";

export const COMPLETIONS = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
} as const;

export type Shell = keyof typeof COMPLETIONS;

export function addCompletion(program: Command, around: Surroundings): void {
  program.command("completion")
    .description("print what bash, zsh or fish needs to complete commands and options")
    .addArgument(new Argument("<shell>", "the shell").choices(Object.keys(COMPLETIONS)))
    .allowExcessArguments(false)
    .addHelpText("after", HOW)
    .action((shell: Shell) => around.stdout(COMPLETIONS[shell](outline(program))));
}

const HOW = `
The Debian package brings these files along. Without it:
  bash    source <(relayx completion bash)      in ~/.bashrc
  zsh     relayx completion zsh > _relayx       in a folder of $fpath
  fish    relayx completion fish > relayx.fish  in ~/.config/fish/completions
`;
