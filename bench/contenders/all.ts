/** Every contender there is, in the order of the tables. */
import type { Contender } from "./contender.ts";
import { direct } from "./direct.ts";
import { haproxy, haproxyTuned } from "./haproxy.ts";
import { nginx } from "./nginx.ts";
import { FreePorts } from "./ports.ts";
import { relayx, relayxShared } from "./relayx.ts";
import { socat } from "./socat.ts";
import { srtLiveTransmit } from "./srt-live-transmit.ts";

export function allContenders(): Contender[] {
  const ports = new FreePorts();
  return [relayx, relayxShared, haproxy, haproxyTuned, nginx, socat, srtLiveTransmit, direct]
    .map((make) => make({ ports }));
}
