/** How libsrt's listeners are made: what is set on each, in the order in which libsrt wants it. */
import { addressFamily, AF_INET6, encodeAddress, formatAddress } from "../../../ffi/libc/mod.ts";
import {
  type Libsrt,
  SRT_ERROR,
  type SrtOptionName,
  type SrtOptionValue,
} from "../../../ffi/libsrt/mod.ts";
import type { SrtWishes } from "../plane.ts";
import type { SrtWorkerSettings } from "../worker-protocol.ts";

/** Connections that may wait to be accepted. */
export const BACKLOG = 32;
/**
 * Packets in flight and in each buffer: 16384 × 1456 bytes is 190 ms at 1 Gbit/s, the default latency
 * with room for a round trip. The window is never larger than the receive buffer, because libsrt
 * stalls for good when it overruns it.
 */
const WINDOW_PACKETS = 16_384;
/** What libsrt counts a packet as: the MSS of 1500 less IP and UDP headers. */
const PACKET_BYTES = 1472;
/**
 * What the wire calls 0, unlimited. libsrt's own word for it, −1, means 1 Gbit/s: it would sleep
 * between two packets, and pace nothing else away. No port carries 10 Gbit/s.
 */
const UNLIMITED_BPS = 10_000_000_000;
/** SRT_TRANSTYPE of srt.h. */
const TRANSTYPE_LIVE = 0;
const TRANSTYPE_FILE = 1;
/** The longest message of live mode: an Ethernet frame less all headers. */
const MESSAGE_BYTES = 1456;

/** What a listener is made for, the settings aside. */
export interface ListenerTerms {
  /** What sets it apart from others; such a one is never used again. */
  readonly wishes: SrtWishes;
  /** Empty is none. */
  readonly passphrase: string;
}

/** A socket that listens on the acceptor's port. Throws where it cannot. */
export function openListener(
  { libsrt, settings }: { libsrt: Libsrt; settings: SrtWorkerSettings },
  acceptor: ListenerTerms & { port: number; prepare?(listener: number): void },
): number {
  const { port } = acceptor;
  const socket = libsrt.srt_create_socket();
  if (socket === SRT_ERROR) throw libsrt.failure("srt_create_socket");
  try {
    for (const [name, value] of listenerOptions(settings, acceptor)) {
      libsrt.setOption(socket, name, value);
    }
    const address = encodeAddress(settings.bind_address, port);
    if (libsrt.srt_bind(socket, address, address.length) < 0) {
      const about = formatAddress({ host: settings.bind_address, port });
      throw libsrt.failure(`srt_bind ${about}`);
    }
    acceptor.prepare?.(socket);
    if (libsrt.srt_listen(socket, BACKLOG) < 0) throw libsrt.failure("srt_listen");
  } catch (error) {
    libsrt.srt_close(socket);
    throw error;
  }
  return socket;
}

type OptionList = [SrtOptionName, SrtOptionValue][];

/** In the order in which libsrt wants them; what is accepted inherits all of these. */
export function listenerOptions(
  settings: SrtWorkerSettings,
  { wishes, passphrase }: ListenerTerms,
): OptionList {
  const { ipttl, iptos, bind_address, udp_buffer_bytes, peer_idle_ms } = settings;
  const file = wishes.transtype === "file";
  return [
    // First, because it resets what belongs to the mode.
    ["SRTO_TRANSTYPE", file ? TRANSTYPE_FILE : TRANSTYPE_LIVE],
    ["SRTO_RCVSYN", false],
    ["SRTO_SNDSYN", false],
    ["SRTO_FC", WINDOW_PACKETS],
    ["SRTO_RCVBUF", WINDOW_PACKETS * PACKET_BYTES],
    ["SRTO_SNDBUF", WINDOW_PACKETS * PACKET_BYTES],
    ["SRTO_UDP_RCVBUF", udp_buffer_bytes],
    ["SRTO_UDP_SNDBUF", udp_buffer_bytes],
    ["SRTO_IPTTL", ipttl],
    ["SRTO_IPTOS", iptos],
    // libsrt wants this said, one way or the other, before it binds "::".
    ...(addressFamily(bind_address) === AF_INET6
      ? [["SRTO_IPV6ONLY", 0] as [SrtOptionName, SrtOptionValue]]
      : []),
    ["SRTO_PEERIDLETIMEO", peer_idle_ms],
    ...encryption(passphrase, settings.pbkeylen),
    ...(file ? [] : liveOptions(settings, wishes)),
  ];
}

function liveOptions(settings: SrtWorkerSettings, wishes: SrtWishes): OptionList {
  const { maxbw_bps, inputbw_bps, oheadbw_percent } = settings;
  // libsrt counts bytes per second.
  const bandwidth: OptionList = inputbw_bps > 0 && maxbw_bps === 0
    ? [
      ["SRTO_MAXBW", 0],
      ["SRTO_INPUTBW", Math.max(1, Math.floor(inputbw_bps / 8))],
      ["SRTO_OHEADBW", oheadbw_percent],
    ]
    : [["SRTO_MAXBW", Math.max(1, Math.floor((maxbw_bps || UNLIMITED_BPS) / 8))]];
  return [
    ["SRTO_LATENCY", wishes.latency_ms ?? settings.latency_ms],
    ["SRTO_PAYLOADSIZE", MESSAGE_BYTES],
    // gosrt refuses a peer without it.
    ["SRTO_TLPKTDROP", true],
    ...bandwidth,
  ];
}

/**
 * Enforced by us and not by libsrt, which turns a peer with another passphrase away without a word to
 * anybody: here the connection comes up, is seen to have no common key, is counted and closed.
 */
function encryption(passphrase: string, pbkeylen: number): OptionList {
  const keys: OptionList = [["SRTO_PBKEYLEN", pbkeylen], ["SRTO_PASSPHRASE", passphrase]];
  return [...(passphrase === "" ? [] : keys), ["SRTO_ENFORCEDENCRYPTION", false]];
}
