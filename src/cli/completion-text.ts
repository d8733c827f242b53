/** A program's completion in the language of a shell. */
import type { CommandOutline } from "./command-outline.ts";
import { bashCompletion } from "./completion-bash.ts";
import { fishCompletion } from "./completion-fish.ts";
import { zshCompletion } from "./completion-zsh.ts";
import type { Shell } from "./completion.ts";

const WRITERS: Record<Shell, (program: CommandOutline) => string> = {
  bash: bashCompletion,
  zsh: zshCompletion,
  fish: fishCompletion,
};

export function completion(shell: Shell, program: CommandOutline): string {
  return WRITERS[shell](program);
}
