/** Where connections of one side come to: a TCP port, or a door, which is a Unix socket. */
import { rmSync } from "node:fs";
import { type Libc, SystemCallError } from "../../../ffi/libc/mod.ts";
import { AcceptLoop, type AcceptLoopOptions } from "../tcp/accept-loop.ts";
import { boundPort, type ListenOn, listenOnTcp, listenOnUnix } from "../tcp/listening-socket.ts";
import type { FastwayContext } from "./context.ts";
import type { FastwayListen } from "./protocol.ts";

/** What a bind to `::` says on a machine where IPv6 is off. */
const WITHOUT_IPV6 = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"]);

export class Listener {
  /** 0 for a door. */
  readonly port: number;
  readonly #accepts: AcceptLoop;

  /** Throws a {@link SystemCallError} where it cannot listen. */
  constructor(
    { context, at, take, starved }:
      & { context: FastwayContext; at: FastwayListen }
      & Pick<AcceptLoopOptions, "take" | "starved">,
  ) {
    const { libc, poller, wheel } = context;
    const fd = at.kind === "door" ? listenAtDoor(libc, at.path) : listen(libc, at);
    this.port = at.kind === "door" ? 0 : boundPort(libc, fd);
    const now_ms = () => context.now_ms;
    this.#accepts = new AcceptLoop({ libc, poller, wheel, fd, now_ms, take, starved });
  }

  close(): void {
    this.#accepts.close();
  }
}

/** What a worker that died has left there would be in the way. */
function listenAtDoor(libc: Libc, path: string): number {
  rmSync(path, { force: true });
  return listenOnUnix(libc, path);
}

/** Without a host on all addresses, of both families where the machine has both. */
function listen(libc: Libc, at: ListenOn): number {
  if (at.host !== "") return listenOnTcp(libc, at);
  try {
    return listenOnTcp(libc, { ...at, host: "::" });
  } catch (error) {
    const has_ipv6 = !(error instanceof SystemCallError) || !WITHOUT_IPV6.has(error.code);
    if (has_ipv6) throw error;
    return listenOnTcp(libc, { ...at, host: "0.0.0.0" });
  }
}
