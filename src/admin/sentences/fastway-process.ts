/** What fastway's own files say: its pid, and the commands that SIGUSR1 brings. */
import { counted, name, type Sentences, words } from "./words.ts";

export const FASTWAY_PROCESS: Sentences = {
  pid_file_taken: ({ folder, other_pid }) =>
    `fastway.pid in ${name(folder)} is that of another relayx or of fastway itself, process ` +
    `${words(other_pid)}; give each a fastway.process_folder of its own.`,
  process_folder_error: ({ folder, error }) =>
    `There is no fastway.pid, as ${name(folder)} takes no files (${words(error)}); set ` +
    "fastway.process_folder.",
  debugger_closed: () => "The runtime opened a debugger because of SIGUSR1; it was closed again.",
  command_refused: ({ waiting }) =>
    `A SIGUSR1 was not acted on, because ${counted(waiting, "command waits", "commands wait")}.`,
  command_unreadable: ({ file, error }) =>
    `SIGUSR1 came, and ${name(file)} cannot be read: ${words(error)}.`,
  command_unknown: ({ command }) => `fastway.cmd has no command that there is: ${name(command)}.`,
  command_done: ({ command }) => `The command ${name(command)} of fastway.cmd was carried out.`,
  command_failed: ({ command, error }) =>
    `The command ${name(command)} of fastway.cmd could not be carried out: ${words(error)}.`,
};
