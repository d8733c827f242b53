/** All data planes together, for what concerns each of them alike. */
import type { Fastway } from "../planes/fastway/fastway.ts";
import type { Rlx1 } from "../planes/rlx1/rlx1.ts";
import type { Plane } from "../data/plane.ts";
import type { Probed, ThreadAnswer, ThreadProbe } from "../data/thread-probe.ts";
import type { PerPlane } from "../sessions/session-table.ts";

/** What every plane has. */
type Common = Pick<Plane, "setBans" | "beat"> & Probed;

export class DataSide {
  readonly #planes: readonly { plane: Common; prefix: string }[];

  constructor(
    { planes, rlx1, fastway }: {
      planes: PerPlane<Plane>;
      rlx1: Rlx1 | null;
      fastway: Fastway | null;
    },
  ) {
    this.#planes = [
      ...(fastway === null ? [] : [{ plane: fastway, prefix: "" }]),
      { plane: planes.zmq, prefix: "" },
      { plane: planes.srt, prefix: "" },
      // Its workers have the names of TCP's.
      ...(rlx1 === null ? [] : [{ plane: rlx1.plane, prefix: "rlx1 " }]),
    ];
  }

  setBans(networks: readonly string[]): void {
    for (const { plane } of this.#planes) plane.setBans(networks);
  }

  /** Whether every data worker turns: see {@link Plane.beat}. */
  async beat(within_ms: number): Promise<boolean> {
    const turned = await Promise.all(this.#planes.map(({ plane }) => plane.beat(within_ms)));
    return turned.every(Boolean);
  }

  /** Looks into every data worker; see {@link ThreadProbe}. */
  async probe(probe: ThreadProbe): Promise<ThreadAnswer[]> {
    const answers = await Promise.all(this.#planes.map(async ({ plane, prefix }) => {
      const threads = await plane.probe(probe);
      return threads.map((one) => ({ ...one, thread: `${prefix}${one.thread}` }));
    }));
    return answers.flat();
  }
}
