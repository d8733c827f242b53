/** The configuration file that the command line names. */
import type { Command } from "commander";

/** `relayx --config_path F check` and `relayx check --config_path F` mean the same. */
export function configPath(command: Command): string | undefined {
  const own = command.opts<{ config_path?: string }>();
  const parent = command.parent?.opts<{ config_path?: string }>();
  return own.config_path ?? parent?.config_path;
}
