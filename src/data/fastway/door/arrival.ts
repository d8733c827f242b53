/** Somebody on the way in: where from, what is still owed, and under what it is counted. */
import type { Socket } from "node:net";
import { formatAddress } from "../../../../ffi/libc/mod.ts";
import { normalizeNetwork } from "../../../config/address-set.ts";
import { proxyAnnouncement } from "../../proxy-announcement.ts";
import type { FastwaySide } from "../protocol.ts";
import type { Passage } from "./passage.ts";

export class Arrival {
  readonly side: FastwaySide;
  readonly tcp: Socket;
  /** Where it comes from: as the kernel has it or, for a proxy that is trusted, as that one says. */
  address: string;
  port: number;
  /** The address of the proxy it came through; null: it came itself. */
  proxy: string | null = null;
  /** What it owes next, for the log when it does not come in time. */
  awaited: "PROXY header" | "first byte" | "TLS handshake" | "worker" = "first byte";
  /** Null: it is not counted, because it is through or gone. */
  counted_as: string | null = null;
  passage: Passage | null = null;

  constructor({ side, tcp, address }: { side: FastwaySide; tcp: Socket; address: string }) {
    this.side = side;
    this.tcp = tcp;
    this.address = address;
    this.port = tcp.remotePort ?? 0;
  }

  /** `host:port`. */
  get remote(): string {
    return formatAddress({ host: this.address, port: this.port });
  }

  /** Where the proxy does not know from whom, the address stays the proxy's. */
  announce(source: { host: string; port: number } | null): void {
    this.proxy = this.address;
    if (source === null) return;
    this.address = source.host;
    this.port = source.port;
  }

  /** What a worker is told of it. */
  header(): Uint8Array {
    const { localAddress = "", localPort = 0 } = this.tcp;
    return proxyAnnouncement(
      { host: this.address, port: this.port },
      // Of a connection that is gone meanwhile there is none.
      { host: normalizeNetwork(localAddress) ?? this.address, port: localPort },
    );
  }

  destroy(): void {
    this.passage?.close();
    this.tcp.destroy();
  }
}
