/** relayx(1), from the definitions of the command line. */
import type { CommandOutline, OptionOutline } from "../src/cli/command-outline.ts";
import { ManPage } from "./roff.ts";

export interface PageFacts {
  version: string;
  /** `2026-11-21` */
  date: string;
}

export function manPage(program: CommandOutline, { version, date }: PageFacts): string {
  const page = new ManPage({
    name: "relayx",
    section: 1,
    date,
    source: `relayx ${version}`,
    manual: "User Commands",
  });
  const [examples, exit_codes] = programEpilogue(program.epilogue);
  page.section("NAME").paragraph("relayx - relay for TCP and SRT between front ends and back ends")
    .section("SYNOPSIS").paragraph(`relayx ${program.usage}`)
    .section("DESCRIPTION").paragraph(program.description)
    .paragraph(ABOUT)
    .section("OPTIONS");
  for (const option of program.options) define(page, option);
  page.section("COMMANDS");
  for (const command of program.commands) describe(page, command);
  page.section("SIGNALS");
  for (const [signal, text] of SIGNALS) page.definition(signal, [text]);
  page.section("ENVIRONMENT");
  for (const [name, text] of ENVIRONMENT) page.definition(name, [text]);
  page.section("FILES");
  for (const [name, text] of FILES) page.definition(name, [text]);
  page.section("EXIT STATUS").paragraph(exit_codes)
    .section("EXAMPLES").verbatim(examples)
    .section("SEE ALSO").paragraph("relayx.yaml(5), systemctl(1), journalctl(1)");
  return page.toString();
}

function describe(page: ManPage, command: CommandOutline): void {
  page.subsection(`relayx ${command.path.join(" ")} ${command.usage}`.trim())
    .paragraph(sentence(command.description));
  for (const { name, description, choices } of command.arguments) {
    if (description + oneOf(choices) === "") continue;
    page.definition(`<${name}>`, [sentence(description + oneOf(choices))]);
  }
  for (const option of command.options) {
    // Every command has it; once is enough.
    if (option.long !== "--help") define(page, option);
  }
  for (const paragraph of command.epilogue.split(/\n\n+/).filter(Boolean)) {
    if (/^ {2}|\n {2}/.test(paragraph)) page.verbatim(paragraph);
    else page.paragraph(paragraph);
  }
  for (const one of command.commands) describe(page, one);
}

function define(page: ManPage, option: OptionOutline): void {
  const { short, long, value, description, fallback, mandatory } = option;
  const shown = value === null ? "" : value.optional ? ` [${value.name}]` : ` <${value.name}>`;
  const notes = [
    ...(mandatory ? ["It must be given."] : []),
    ...(fallback === null || fallback === "" ? [] : [`Default: ${fallback}.`]),
  ];
  page.definition(
    `${short === null ? "" : `${short}, `}${long}${shown}`,
    [[sentence(description + oneOf(value?.choices ?? [])), ...notes].join(" ")],
  );
}

function oneOf(choices: readonly string[]): string {
  return choices.length === 0 ? "" : `: ${choices.join(", ")}`;
}

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.)]$/.test(begun) ? begun : `${begun}.`;
}

/** The examples and the exit codes stand in one text below `relayx --help`. */
function programEpilogue(epilogue: string): [examples: string, exit_codes: string] {
  const paragraphs = epilogue.split(/\n\n+/);
  const find = (head: string) => {
    const found = paragraphs.find((paragraph) => paragraph.startsWith(head));
    if (found === undefined) throw new Error(`relayx --help has no paragraph "${head}"`);
    return found.slice(head.length).trim();
  };
  return [`  ${find("Examples:")}`.replaceAll(/^ {2}/gm, ""), find("Exit codes:")];
}

const ABOUT =
  `Front ends and back ends register at the control port, are paired there, and are granted \
a port at which relayx joins their connections. Encoders and players that speak SRT publish and \
view named streams without registering. Without a command the gateway is started.`;

const SIGNALS: readonly (readonly [string, string])[] = [
  [
    "SIGTERM, SIGINT",
    "No new sessions; those that run may go on for gateway.shutdown_timeout, then relayx ends. A " +
    "second one ends it at once.",
  ],
  [
    "SIGHUP",
    "The configuration is read anew. What can change while sessions run does so, the log says what " +
    "needs a restart, and a configuration with mistakes changes nothing.",
  ],
];

const ENVIRONMENT: readonly (readonly [string, string])[] = [
  [
    "RELAYX_<SECTION>_<KEY>",
    "Overrides a key of the configuration, for instance RELAYX_GATEWAY_TCP_PORT.",
  ],
  ["RELAYX_LIBSRT", "Another libsrt than the one inside: the path of a shared library."],
  [
    "NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
    "Set by systemd: where relayx tells that it is ready, reloads, stops, and lives.",
  ],
];

const FILES: readonly (readonly [string, string])[] = [
  ["/etc/relayx/config.yaml", "The service's configuration; see relayx.yaml(5)."],
  ["/var/lib/relayx", "The service's state, and its working directory."],
  ["/var/log/relayx", "The service's log, with logging.output: file."],
];
