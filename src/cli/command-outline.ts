/**
 * What commands and options there are, as plain data: completions and the man page are written from
 * it, so that they cannot say anything else than `--help`.
 */
import type { Argument, Command, Option } from "commander";

/** What stands for a value on the command line. */
export interface ValueOutline {
  /** As in `--config_path <path>`: `path`. */
  name: string;
  optional: boolean;
  /** Empty: anything. */
  choices: readonly string[];
  /** What a shell can offer for it. */
  kind: "file" | "text";
}

export interface OptionOutline {
  /** `-V`, or null. */
  short: string | null;
  /** `--version`. */
  long: string;
  description: string;
  /** Null for a switch. */
  value: ValueOutline | null;
  /** As text; null where there is none to tell. */
  fallback: string | null;
  mandatory: boolean;
}

export interface ArgumentOutline extends ValueOutline {
  description: string;
  variadic: boolean;
}

export interface CommandOutline {
  /** Empty for the program itself, else the words behind its name: `url`. */
  path: readonly string[];
  description: string;
  /** `[options] <name>`. */
  usage: string;
  /** What `--help` prints below the options; empty where that is nothing. */
  epilogue: string;
  options: readonly OptionOutline[];
  arguments: readonly ArgumentOutline[];
  commands: readonly CommandOutline[];
}

/** A value that is called one of these is a file or a folder. */
const FILE_NAMES: ReadonlySet<string> = new Set(["path", "file", "folder"]);

export function outline(command: Command, path: readonly string[] = []): CommandOutline {
  const help = command.createHelp();
  return {
    path,
    description: command.description(),
    usage: command.usage(),
    epilogue: epilogueOf(command),
    options: help.visibleOptions(command).map(optionOutline),
    arguments: command.registeredArguments.map(argumentOutline),
    commands: help.visibleCommands(command)
      // Commander's own "help" shows nothing that --help does not.
      .filter((one) => one.name() !== "help")
      .map((one) => outline(one, [...path, one.name()])),
  };
}

function optionOutline(option: Option): OptionOutline {
  const takes_value = option.required || option.optional;
  const name = /[<[]([^\]>.]+)/.exec(option.flags)?.[1] ?? "value";
  const { defaultValue } = option;
  return {
    short: option.short ?? null,
    long: option.long!,
    description: option.description,
    value: takes_value ? valueOutline(name, option.optional, option.argChoices) : null,
    fallback: defaultValue === undefined || typeof defaultValue === "boolean"
      ? null
      : String(defaultValue),
    mandatory: option.mandatory,
  };
}

function argumentOutline(argument: Argument): ArgumentOutline {
  return {
    ...valueOutline(argument.name(), !argument.required, argument.argChoices),
    description: argument.description,
    variadic: argument.variadic,
  };
}

function valueOutline(
  name: string,
  optional: boolean,
  choices: readonly string[] | undefined,
): ValueOutline {
  const kind = FILE_NAMES.has(name) ? "file" : "text";
  return { name, optional, choices: choices ?? (name === "bool" ? ["true", "false"] : []), kind };
}

/** Commander keeps these texts to itself; what it prints beyond its own part of the help is them. */
function epilogueOf(command: Command): string {
  let printed = "";
  const { writeOut, ...rest } = command.configureOutput();
  command.configureOutput({ ...rest, writeOut: (text) => printed += text });
  command.outputHelp();
  command.configureOutput({ ...rest, writeOut });
  return printed.slice(command.helpInformation().length).trim();
}
