/** `relayx completion`: what a shell needs to know so that the tabulator key completes our options. */
import { Argument, type Command } from "commander";
import type { Surroundings } from "./program.ts";

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = typeof SHELLS[number];

const HOW = `
The Debian package brings these files along. Without it:
  bash    source <(relayx completion bash)      in ~/.bashrc
  zsh     relayx completion zsh > _relayx       in a folder of $fpath
  fish    relayx completion fish > relayx.fish  in ~/.config/fish/completions
`;

export function addCompletion(program: Command, around: Surroundings): void {
  program.command("completion")
    .description("print what bash, zsh or fish needs to complete commands and options")
    .addArgument(new Argument("<shell>", "the shell").choices(SHELLS))
    .allowExcessArguments(false)
    .addHelpText("after", HOW)
    .action(async (shell: Shell) => {
      const { outline } = await import("./command-outline.ts");
      const { completion } = await import("./completion-text.ts");
      around.stdout(completion(shell, outline(program)));
    });
}
