/** How a command ends, as the shell and a service supervisor see it. */

export const EXIT = {
  ok: 0,
  /** The gateway could not start, or a tool did not reach its goal. */
  failure: 1,
  /** The configuration or the command line is wrong; starting again would not help. */
  usage: 2,
  /** A mistake of our own (EX_SOFTWARE of sysexits). */
  internal: 70,
  /** Ended by a second signal: 128 and the signal's number, as a shell reports it. */
  interrupted: 130,
  terminated: 143,
} as const;

/** An end that has been explained to the user already. */
export class CommandExit extends Error {
  override name = "CommandExit";
  readonly exit_code: number;
  constructor(exit_code: number) {
    super(`exit ${exit_code}`);
    this.exit_code = exit_code;
  }
}
