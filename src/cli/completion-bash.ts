/**
 * The completion for bash, which needs nothing but bash itself. The script walks over the words that
 * stand before the cursor to learn which command and which option's value it is about, and looks up
 * what can stand there.
 */
import type { CommandOutline, OptionOutline, ValueOutline } from "./command-outline.ts";

export function bashCompletion(program: CommandOutline): string {
  const commands = withDescendants(program);
  const known = commands.flatMap((command) => [
    ...optionsWithValue(command).map((option) =>
      `      ${patterns(command, option)}) option=${quoted(option.long)} ;;`
    ),
    ...command.commands.map((one) =>
      `      ${quoted(`${command.path.join(" ")}|${one.path.at(-1)}`)}) ` +
      `command=${quoted(one.path.join(" "))} ;;`
    ),
  ]);
  const values = commands.flatMap((command) =>
    optionsWithValue(command).map((option) =>
      `    ${quoted(`${command.path.join(" ")}|${option.long}`)}) ${offer(option.value!)} ;;`
    )
  );
  const words = commands.map((command) =>
    `    ${quoted(`${command.path.join(" ")}|`)})\n` +
    `      options=${quoted(command.options.flatMap(spellings).join(" "))}\n` +
    `      ${operands(command)} ;;`
  );
  return `# Completion of relayx for bash; made by "relayx completion bash".

_relayx() {
  local current="\${COMP_WORDS[COMP_CWORD]}" command='' option='' options='' words='' files='' word
  local -i index
  COMPREPLY=()
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    # bash takes "--option=value" apart into three words.
    if [[ "$word" == = ]]; then continue; fi
    if [[ -n "$option" ]]; then
      option=''
      continue
    fi
    case "$command|$word" in
${known.join("\n")}
    esac
  done
  if [[ "$current" == = ]]; then current=''; fi
  case "$command|$option" in
${[...values, ...words].join("\n")}
  esac
  if [[ "$current" == -* && -z "$option" ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
  elif [[ -n "$files" ]]; then
    compopt -o filenames 2> /dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$current")
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}

complete -F _relayx relayx
`;
}

function withDescendants(command: CommandOutline): CommandOutline[] {
  return [command, ...command.commands.flatMap(withDescendants)];
}

function optionsWithValue(command: CommandOutline): OptionOutline[] {
  return command.options.filter(({ value }) => value !== null);
}

function spellings({ short, long }: OptionOutline): string[] {
  return short === null ? [long] : [short, long];
}

/** Options may be written with one dash as well. */
function patterns(command: CommandOutline, option: OptionOutline): string {
  return [...spellings(option), option.long.slice(1)]
    .map((word) => quoted(`${command.path.join(" ")}|${word}`)).join(" | ");
}

function offer(value: ValueOutline): string {
  return value.kind === "file" ? "files=1" : `words=${quoted(value.choices.join(" "))}`;
}

/** What may stand where no option does: commands, or the command's own operand, or its options. */
function operands({ commands, arguments: [operand], options }: CommandOutline): string {
  if (commands.length > 0) return `words=${quoted(commands.map(lastWord).join(" "))}`;
  if (operand !== undefined) return offer(operand);
  return `words=${quoted(options.map(({ long }) => long).join(" "))}`;
}

function lastWord({ path }: CommandOutline): string {
  return path.at(-1)!;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
