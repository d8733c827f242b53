/** The completion for zsh, in the words of its own `_arguments`. */
import type {
  ArgumentOutline,
  CommandOutline,
  OptionOutline,
  ValueOutline,
} from "./command-outline.ts";

export function zshCompletion(program: CommandOutline): string {
  return `#compdef relayx
# Completion of relayx for zsh; made by "relayx completion zsh".

${functionsOf(program)}
if [[ "$funcstack[1]" == _relayx ]]; then
  _relayx "$@"
else
  compdef _relayx relayx
fi
`;
}

/** One function per command; one that has commands leads on to theirs. */
function functionsOf(command: CommandOutline): string {
  const specs = command.options.map(optionSpec);
  if (command.commands.length === 0) {
    specs.push(...command.arguments.map(argumentSpec));
    return `${nameOf(command)}() {\n  _arguments -S \\\n${lines(specs)}\n}\n`;
  }
  specs.push("'1:command:->command'", "'*::argument:->argument'");
  const described = command.commands.map((one) =>
    `        ${quoted(`${one.path.at(-1)}:${one.description.replaceAll(":", "\\:")}`)}`
  );
  const branches = command.commands.map((one) => `        ${one.path.at(-1)}) ${nameOf(one)} ;;`);
  return `${nameOf(command)}() {
  local curcontext="$curcontext" state line
  typeset -A opt_args
  _arguments -C -S \\
${lines(specs)}
  case "$state" in
    command)
      local -a commands
      commands=(
${described.join("\n")}
      )
      _describe -t commands command commands
      ;;
    argument)
      case "$line[1]" in
${branches.join("\n")}
      esac
      ;;
  esac
}

${command.commands.map(functionsOf).join("\n")}`;
}

function nameOf({ path }: CommandOutline): string {
  return ["_relayx", ...path].join("_").replaceAll("-", "_");
}

function lines(specs: readonly string[]): string {
  return specs.map((spec) => `    ${spec}`).join(" \\\n");
}

function optionSpec({ short, long, description, value }: OptionOutline): string {
  const told = `[${description.replace(/[[\]\\]/g, "\\$&")}]`;
  const takes = value === null ? "" : operand(value);
  const equals = value === null ? "" : "=";
  if (short === null) return quoted(`${long}${equals}${told}${takes}`);
  // Both spellings are one option: whichever is there already, the other is not offered.
  return `${quoted(`(${short} ${long})`)}{${short},${long}${equals}}${quoted(told + takes)}`;
}

function argumentSpec(argument: ArgumentOutline, index: number): string {
  const place = argument.variadic ? "*" : `${index + 1}`;
  return quoted(`${place}${operand(argument)}`);
}

function operand(value: ValueOutline): string {
  const name = value.name.replaceAll(":", "\\:");
  return `${value.optional ? "::" : ":"}${name}:${action(value)}`;
}

function action({ kind, choices }: ValueOutline): string {
  if (kind === "file") return "_files";
  return choices.length > 0 ? `(${choices.join(" ")})` : " ";
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
