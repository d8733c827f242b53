/** `relayx rlx1-be`: an echoing back end of relay_X v1, for proving an installation. */
import type { Command } from "commander";
import { runBackEnd } from "./run-tool.ts";

interface Rlx1BeFlags {
  addr: string;
  id: string;
  secret: string;
  ready_zmq: string;
  ready_srt: string;
}

export function addRlx1Be(program: Command): void {
  program.command("rlx1-be")
    .description("relay_X v1 back end: keeps ports ready and echoes what front ends send")
    .requiredOption("--secret <secret>", "what the gateway asks for (rlx1.secret)")
    .option("--addr <host:port>", "control address of the gateway", "127.0.0.1:5555")
    .option("--id <id>", "client_id", "rlx1-be")
    .option("--ready_zmq <count>", "ports of the zmq range to keep ready", "4")
    .option("--ready_srt <count>", "ports of the srt range to keep ready", "4")
    .action((flags: Rlx1BeFlags) => run(flags));
}

function run(flags: Rlx1BeFlags): Promise<void> {
  return runBackEnd("rlx1-be", flags, async (log) => {
    const { addressFlag, numberFlag, textFlag } = await import("../tools/flags.ts");
    const { Rlx1BackEnd } = await import("../tools/rlx1/back-end.ts");
    const count = (flag: string, text: string) =>
      numberFlag(flag, text, { min: 0, max: 65_535, whole: true });
    return new Rlx1BackEnd({
      ...addressFlag("--addr", flags.addr),
      client_id: textFlag("--id", flags.id),
      secret: textFlag("--secret", flags.secret),
      ready: {
        zmq: count("--ready_zmq", flags.ready_zmq),
        srt: count("--ready_srt", flags.ready_srt),
      },
      log,
    });
  });
}
