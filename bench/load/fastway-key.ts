/** What servers prove to the benchmark's relayx that they know. */
export const BENCH_KEY = "the benchmark's key";
