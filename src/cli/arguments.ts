/**
 * Arguments as Go's `flag` package takes them, which the clients and scripts of V4 were written for:
 * `-addr x`, `-addr=x`, `-srt=false`. They are rewritten to the form with two dashes. Only options
 * that the command really has are touched, so that values, negative numbers and short options stay
 * what they are.
 */
import type { Command, Option } from "commander";

/** Go's words for the values of a boolean flag. */
const TRUE_WORDS: readonly string[] = ["1", "t", "T", "true", "TRUE", "True"];
const FALSE_WORDS: readonly string[] = ["0", "f", "F", "false", "FALSE", "False"];

/** Rewrites the arguments for a program whose commands are all added already. */
export function normaliseArguments(program: Command, argv: readonly string[]): string[] {
  const rewritten: string[] = [];
  let command = program;
  for (let index = 0; index < argv.length; index += 1) {
    const argument = argv[index];
    if (argument === "--") {
      rewritten.push(...argv.slice(index));
      break;
    }
    if (!argument.startsWith("-")) {
      command = subcommand(command, argument) ?? command;
      rewritten.push(argument);
      continue;
    }
    const match = /^--?([A-Za-z][\w-]+)(?:=(.*))?$/s.exec(argument);
    const option = match === null ? undefined : findOption(command, match[1]);
    if (match === null || option === undefined) {
      rewritten.push(argument);
      // The value of a short option belongs to it, whatever it looks like.
      const short = command.options.find((one) => one.short === argument);
      if (short?.required && index + 1 < argv.length) rewritten.push(argv[++index]);
      continue;
    }
    const [, name, value] = match;
    if (option.required || option.optional) {
      rewritten.push(value === undefined ? `--${name}` : `--${name}=${value}`);
      if (option.required && value === undefined && index + 1 < argv.length) {
        rewritten.push(argv[++index]);
      }
    } else {
      rewritten.push(...switched(command, option, value));
    }
  }
  return rewritten;
}

/** A switch without a value has none to take; `=true` and `=false` become its two forms. */
function switched(command: Command, option: Option, value: string | undefined): string[] {
  const long = option.long!;
  if (value === undefined || TRUE_WORDS.includes(value)) return [long];
  if (!FALSE_WORDS.includes(value)) return [`${long}=${value}`];
  const opposite = option.negate
    ? command.options.find(({ long: other }) => other === long.replace(/^--no-/, "--"))?.long
    : command.options.find(({ long: other }) => other === long.replace(/^--/, "--no-"))?.long;
  // A switch that can only be turned on is off when it is not there.
  return typeof opposite === "string" ? [opposite] : [];
}

function findOption(command: Command, name: string): Option | undefined {
  const options = [...command.options, ...command.createHelp().visibleOptions(command)];
  return options.find(({ long }) => long === `--${name}`);
}

function subcommand(command: Command, name: string): Command | undefined {
  return command.commands.find((one) => one.name() === name || one.aliases().includes(name));
}
