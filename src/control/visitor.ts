/**
 * Who has come to the control port, from accept to the end of the connection: where from, and through
 * what. Limits, bans, the log and pages for this machine only judge by what stands here.
 */
import type { Socket } from "node:net";
import { isLoopback } from "../config/loopback.ts";

/** What a visitor is told instead of being let in. */
export interface VisitorRefusal {
  code: number;
  error: string;
}

export class Visitor {
  /** What it speaks through: its TCP connection, or TLS on top of that. */
  socket: Socket;
  /** Where it comes from: as the kernel has it or, for a proxy that is trusted, as that one says. */
  address: string;
  port: number;
  /** The address of the proxy it came through; null: it came itself. */
  proxy: string | null = null;
  /** On this machine. */
  is_local: boolean;
  tls = false;
  /** Whom a verified client certificate names; null: nobody. */
  certificate_name: string | null = null;
  /** It may hear this, and nothing else. */
  refusal: VisitorRefusal | null = null;
  /** What it owes next, for the log when it does not come in time. */
  awaited: "PROXY header" | "first byte" | "TLS handshake" | "register" = "first byte";
  /** The address under which it is counted as unproven; null: it has proven itself or is gone. */
  counted_as: string | null = null;
  /** It came to the port where nothing but TLS is spoken. */
  readonly tls_only: boolean;
  readonly #tcp: Socket;

  constructor(
    { socket, address, tls_only = false }: { socket: Socket; address: string; tls_only?: boolean },
  ) {
    this.tls_only = tls_only;
    this.socket = socket;
    this.#tcp = socket;
    this.address = address;
    this.port = socket.remotePort ?? 0;
    // A gateway that is bound to one interface is reached from that interface's own address.
    this.is_local = isLoopback(address) || address === socket.localAddress;
  }

  /** `address:port`, for the log. */
  get remote(): string {
    return `${this.address.includes(":") ? `[${this.address}]` : this.address}:${this.port}`;
  }

  /**
   * It came through a proxy. Where the proxy does not know from whom, the address stays the proxy's.
   * It is on this machine only if both are: `127.0.0.1` means something else on a distant proxy.
   */
  announce(source: { host: string; port: number } | null): void {
    this.proxy = this.address;
    this.is_local = this.is_local && source !== null && isLoopback(source.host);
    if (source === null) return;
    this.address = source.host;
    this.port = source.port;
  }

  /** Cuts the connection at once, whatever is on top of it. */
  destroy(): void {
    this.socket.destroy();
    this.#tcp.destroy();
  }
}
