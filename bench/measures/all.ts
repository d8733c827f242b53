/** Every measure there is, in the order of the report. */
import type { Measure } from "../sample.ts";
import { fastway } from "./fastway.ts";
import { memory } from "./memory.ts";
import { scale } from "./scale.ts";
import { setup } from "./setup.ts";
import { srtImpaired } from "./srt-impaired.ts";
import { srtMany } from "./srt-many.ts";
import { srtOne } from "./srt-one.ts";
import { start } from "./start.ts";
import { tcpBulk } from "./tcp-bulk.ts";
import { tcpLatency } from "./tcp-latency.ts";
import { tcpSize } from "./tcp-size.ts";

export const allMeasures: readonly Measure[] = [
  tcpBulk,
  tcpSize,
  tcpLatency,
  setup,
  scale,
  fastway,
  srtOne,
  srtMany,
  srtImpaired,
  memory,
  start,
];
