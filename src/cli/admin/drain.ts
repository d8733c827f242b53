/** `relayx drain` and `relayx undrain`: no new clients and sessions, and all are let in again. */
import type { Command } from "commander";
import type { GatewayAnswer } from "../../admin/answers.ts";
import type { AdminClient } from "../../tools/admin-client.ts";
import { CommandExit, EXIT } from "../exit-code.ts";
import type { Surroundings } from "../program.ts";
import { adminCommand, type AdminFlags, order, show } from "./order.ts";

/** How often `--wait` looks. */
const LOOK_MS = 500;

/** What a drain waits for: of fastway each virtual connection, which no other figure has in it. */
function leftOf({ sessions, fastway }: GatewayAnswer): number {
  return sessions + (fastway?.virtual ?? 0);
}

function leftWords(answer: GatewayAnswer): string {
  const { sessions } = answer;
  const virtual = answer.fastway?.virtual ?? 0;
  const counted = [
    ...(sessions > 0 || virtual === 0 ? [`${sessions} session${sessions === 1 ? "" : "s"}`] : []),
    ...(virtual > 0 ? [`${virtual} virtual connection${virtual === 1 ? "" : "s"}`] : []),
  ].join(" and ");
  return `${counted} ${leftOf(answer) === 1 ? "is" : "are"} left`;
}

export function addDrain(program: Command, around: Surroundings): void {
  adminCommand(program, "drain", "let nobody new in; sessions that run go on")
    .option("--deadline <duration>", "end what is left then, for instance 5m")
    .option("--wait", "return when no session is left")
    .action((flags: AdminFlags & { deadline?: string; wait?: boolean }) =>
      order("drain", { flags, around }, async (client) => {
        const { gatewayAnswer } = await import("../../admin/answers.ts");
        const { durationFlag } = await import("../../tools/flags.ts");
        const deadline_ms = flags.deadline === undefined
          ? null
          : durationFlag("--deadline", flags.deadline);
        let answer = await client.ask("/api/v1/drain", gatewayAnswer, {
          method: "POST",
          body: { deadline_ms },
        });
        if (flags.wait) answer = await waitUntilEmpty(client, answer, around);
        await show(answer, { flags, around }, (now) => `draining; ${leftWords(now)}\n`);
      })
    );
}

export function addUndrain(program: Command, around: Surroundings): void {
  adminCommand(program, "undrain", "take a drain back").action((flags: AdminFlags) =>
    order("undrain", { flags, around }, async (client) => {
      const { gatewayAnswer } = await import("../../admin/answers.ts");
      const answer = await client.ask("/api/v1/drain", gatewayAnswer, { method: "DELETE" });
      await show(answer, { flags, around }, ({ state }) => `the gateway is ${state}\n`);
    })
  );
}

async function waitUntilEmpty(
  client: AdminClient,
  first: GatewayAnswer,
  around: Surroundings,
): Promise<GatewayAnswer> {
  const { gatewayAnswer } = await import("../../admin/answers.ts");
  const { Interrupt } = await import("../interrupt.ts");
  const { sleepUnlessAborted } = await import("./watch.ts");
  const interrupt = new Interrupt();
  interrupt.start();
  try {
    let answer = first;
    while (leftOf(answer) > 0) {
      if (!await sleepUnlessAborted(LOOK_MS, interrupt.signal)) {
        throw new CommandExit(interrupt.exit_code ?? EXIT.failure);
      }
      answer = await client.ask("/api/v1/gateway", gatewayAnswer);
      if (answer.drain === null) {
        around.stderr("relayx drain: somebody has taken the drain back\n");
        throw new CommandExit(EXIT.failure);
      }
    }
    return answer;
  } finally {
    interrupt.close();
  }
}
