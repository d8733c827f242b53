/** TCP bulk in writes of different sizes: what a small message costs. */
import { figure } from "../figures/words.ts";
import type { Case, Measure } from "../sample.ts";
import { measureBulk } from "./bulk.ts";
import { carries, curve, isRelay, RELAY_COST } from "./shared.ts";

const sizeName = (bytes: number) => bytes < 1024 ? `${bytes} B` : `${bytes / 1024} KiB`;
const caseOf = (write_bytes: number): Case => ({
  name: `writes of ${sizeName(write_bytes)}`,
  parameters: { write_bytes },
});
const SIZES = [256, 1024, 4096, 16_384, 65_536, 1 << 20];
const over = SIZES.map((bytes) => [caseOf(bytes).name, bytes] as const);
const x = { label: "bytes per write of the sender", logarithmic: true };

export const tcpSize: Measure = {
  name: "tcp-size",
  title: "TCP by message size",
  about:
    "One session, one way, with TCP_NODELAY; the sender writes messages of a fixed size as fast " +
    "as they are taken.",
  transports: ["tcp"],
  columns: [
    { value: "rate_gbps", label: "rate", unit: "Gbit/s", digits: 2 },
    { value: "gbit_per_cpu_s", label: "efficiency", unit: "Gbit per CPU-second", digits: 2 },
    ...RELAY_COST,
  ],
  accepts: carries("tcp"),
  rounds: ({ quick, rounds }) => rounds ?? (quick ? 1 : 3),
  cases: ({ quick }) => (quick ? [1024] : SIZES).map(caseOf),
  run: async (work) => ({
    values: await measureBulk({
      work,
      sessions: 1,
      both_ways: false,
      write_bytes: work.case.parameters.write_bytes,
    }),
  }),
  goals: () => [],
  plots: (figures) => [
    curve({
      figures,
      name: "tcp-size-rate",
      title: "TCP, one session: rate by message size",
      over,
      value: "rate_gbps",
      label: "Gbit/s",
      x,
    }),
    curve({
      figures,
      name: "tcp-size-efficiency",
      title: "TCP, one session: cost by message size",
      over,
      value: "gbit_per_cpu_s",
      label: "Gbit per CPU-second of the relay",
      x,
      only: isRelay,
    }),
  ],
  sentences: (figures) => {
    const small = caseOf(SIZES[0]).name;
    const rate = figures.median(small, "relayx", "rate_gbps");
    const direct = figures.median(small, "direct", "rate_gbps");
    if (!Number.isFinite(rate) || !Number.isFinite(direct)) return [];
    return [
      `With messages of ${SIZES[0]} B relayx carries ${figure(rate, 2)} Gbit/s and a direct ` +
      `connection ${figure(direct, 2)}: ${
        rate > 0.8 * direct
          ? "the sender's system call per message is the bound, not the relay."
          : "the relay is woken for few bytes at a time, and that is the bound."
      }`,
    ];
  },
};
