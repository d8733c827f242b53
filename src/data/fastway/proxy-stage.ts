/** Where a trusted proxy says where its client comes from; see `../proxy-header.ts`. */
import { formatAddress } from "../../../ffi/libc/mod.ts";
import type { ProxySource } from "../proxy-header.ts";
import { takeProxyHeader } from "../tcp/proxied.ts";
import type { SocketArrival } from "./arrivals.ts";
import type { FastwayContext } from "./context.ts";
import type { NextStage } from "./stage.ts";
import type { StreamOwner } from "./stream.ts";

export class ProxyStage {
  readonly #context: FastwayContext;
  readonly #next: NextStage;

  constructor({ context, next }: { context: FastwayContext; next: NextStage }) {
    this.#context = context;
    this.#next = next;
  }

  enter(arrival: SocketArrival): void {
    const { handshake_timeout_ms } = this.#context.settings;
    const late = `no complete PROXY header within ${handshake_timeout_ms} ms`;
    arrival.allow(handshake_timeout_ms, "proxy_error", late);
    const owner: StreamOwner = {
      streamReady: () => this.#read(arrival),
      streamAway() {},
      streamBack() {},
    };
    arrival.stream.owner = owner;
  }

  #read(arrival: SocketArrival): void {
    const { libc, dregs, addresses } = this.#context;
    const { fd, is_finished } = arrival.socket;
    // A door has nothing to say for itself.
    const required = arrival.transport === "tls" || addresses.proxy_header === "required";
    const found = takeProxyHeader({ libc, fd, scratch: dregs, is_finished, required });
    if (found.type === "wait") return;
    if (found.type === "refused") return arrival.refuse("proxy_error", found.detail);
    arrival.is_proxied = false;
    if (found.source !== null && !this.#move(arrival, found.source)) return;
    if (addresses.isBanned(arrival.address)) return arrival.shed("banned");
    this.#next(arrival);
  }

  /** The connection is that of the proxy's client, and counts as such. */
  #move(arrival: SocketArrival, { host, port }: ProxySource): boolean {
    const { admission, addresses } = this.#context;
    arrival.remote = formatAddress({ host, port });
    arrival.address = host;
    if (addresses.isBanned(host)) {
      arrival.shed("banned");
      return false;
    }
    const limit = admission.move(arrival.counted_as, host);
    if (limit !== null) {
      arrival.shed(limit);
      return false;
    }
    arrival.counted_as = host;
    return true;
  }
}
