/** The completion for fish: one line per command and option, each with when it may stand. */
import type { CommandOutline, OptionOutline, ValueOutline } from "./command-outline.ts";

export function fishCompletion(program: CommandOutline): string {
  return `# Completion of relayx for fish; made by "relayx completion fish".

complete -c relayx -f
${linesOf(program).join("\n")}
`;
}

function linesOf(command: CommandOutline): string[] {
  const here = `complete -c relayx -n ${quoted(condition(command))}`;
  const [operand] = command.arguments;
  return [
    ...command.commands.map((one) => `${here} -a ${one.path.at(-1)} -d ${quoted(one.description)}`),
    ...(operand === undefined ? [] : operandLine(here, operand)),
    ...command.options.map((option) => optionLine(here, option)),
    ...command.commands.flatMap(linesOf),
  ];
}

/** Whether the words before the cursor lead to this command and to none of its own. */
function condition({ path, commands }: CommandOutline): string {
  const led = path.map((word) => `__fish_seen_subcommand_from ${word}`);
  const words = commands.map((one) => one.path.at(-1));
  if (words.length > 0) led.push(`not __fish_seen_subcommand_from ${words.join(" ")}`);
  return led.join("; and ");
}

function operandLine(here: string, operand: ValueOutline): string[] {
  if (operand.kind === "file") return [`${here} -F`];
  return operand.choices.length === 0 ? [] : [`${here} -a ${quoted(operand.choices.join(" "))}`];
}

function optionLine(here: string, { short, long, description, value }: OptionOutline): string {
  const parts = [here, `-l ${long.slice(2)}`];
  if (short !== null) parts.push(`-s ${short.slice(1)}`);
  if (value !== null) {
    // A value that may be left out is only completed behind "=".
    if (!value.optional) parts.push(value.kind === "file" ? "-r -F" : "-x");
    if (value.choices.length > 0) parts.push(`-a ${quoted(value.choices.join(" "))}`);
  }
  return `${parts.join(" ")} -d ${quoted(description)}`;
}

function quoted(text: string): string {
  return `'${text.replace(/[\\']/g, "\\$&")}'`;
}
