/**
 * Socket options (srt.h, SRT_SOCKOPT) with the C type of their value. libsrt's API-socket-options
 * document says when each may be set: `bind` before srt_bind, `connect` before srt_connect or
 * srt_listen, `any` at any time. A listener's options are inherited by what it accepts.
 */

export type OptionType = "bool" | "int" | "int64" | "text";
export type OptionTime = "bind" | "connect" | "any";

interface Option {
  readonly number: number;
  readonly type: OptionType;
  readonly settable: OptionTime;
}

const option = (number: number, type: OptionType, settable: OptionTime): Option => ({
  number,
  type,
  settable,
});

export const srtOptions = {
  /** Largest UDP packet, bytes. */
  SRTO_MSS: option(0, "int", "bind"),
  SRTO_SNDSYN: option(1, "bool", "any"),
  SRTO_RCVSYN: option(2, "bool", "any"),
  /** Flight window, packets; what RCVBUF holds is the most that makes sense. */
  SRTO_FC: option(4, "int", "connect"),
  /** Sender's buffer, bytes. */
  SRTO_SNDBUF: option(5, "int", "bind"),
  /** Receiver's buffer, bytes; clamped to FC packets, so FC is set first. */
  SRTO_RCVBUF: option(6, "int", "bind"),
  SRTO_UDP_SNDBUF: option(8, "int", "bind"),
  SRTO_UDP_RCVBUF: option(9, "int", "bind"),
  SRTO_REUSEADDR: option(15, "bool", "bind"),
  /** Bytes per second; −1 is unlimited (1 Gbit/s in live mode), 0 follows the input's rate. */
  SRTO_MAXBW: option(16, "int64", "any"),
  SRTO_RCVDATA: option(20, "int", "any"),
  SRTO_TSBPDMODE: option(22, "bool", "connect"),
  /** Both RCVLATENCY and PEERLATENCY, ms. */
  SRTO_LATENCY: option(23, "int", "connect"),
  SRTO_INPUTBW: option(24, "int64", "any"),
  SRTO_OHEADBW: option(25, "int", "any"),
  /** 10 to 79 characters. */
  SRTO_PASSPHRASE: option(26, "text", "connect"),
  SRTO_PBKEYLEN: option(27, "int", "connect"),
  /** Read: how the exchange of keys has ended, one of SRT_KM_S_*. */
  SRTO_KMSTATE: option(28, "int", "any"),
  SRTO_IPTTL: option(29, "int", "bind"),
  SRTO_IPTOS: option(30, "int", "bind"),
  SRTO_TLPKTDROP: option(31, "bool", "connect"),
  SRTO_NAKREPORT: option(33, "bool", "connect"),
  SRTO_CONNTIMEO: option(36, "int", "connect"),
  SRTO_RCVLATENCY: option(43, "int", "connect"),
  SRTO_PEERLATENCY: option(44, "int", "connect"),
  /** At most 512 characters. */
  SRTO_STREAMID: option(46, "text", "connect"),
  SRTO_MESSAGEAPI: option(48, "bool", "connect"),
  /** Largest message in live mode, bytes: 1316 by default, 1456 at most. */
  SRTO_PAYLOADSIZE: option(49, "int", "connect"),
  /** 0 live, 1 file. */
  SRTO_TRANSTYPE: option(50, "int", "bind"),
  /** False: a connection whose key exchange failed comes up all the same and says so in KMSTATE. */
  SRTO_ENFORCEDENCRYPTION: option(53, "bool", "connect"),
  SRTO_IPV6ONLY: option(54, "int", "bind"),
  /** Silence after which the peer counts as gone, ms. */
  SRTO_PEERIDLETIMEO: option(55, "int", "connect"),
} as const satisfies Record<string, Option>;

export type SrtOptionName = keyof typeof srtOptions;
export type SrtOptionValue = number | boolean | string;

/** Lays a value out as the option's C type: `bool` one byte, `int` four, `int64_t` eight. */
export function encodeOption(name: SrtOptionName, value: SrtOptionValue): Uint8Array {
  const { type } = srtOptions[name];
  if (type === "text") return new TextEncoder().encode(String(value));
  if (type === "bool") return Uint8Array.of(value ? 1 : 0);
  const view = new DataView(new ArrayBuffer(type === "int64" ? 8 : 4));
  if (type === "int64") view.setBigInt64(0, BigInt(value), true);
  else view.setInt32(0, Number(value), true);
  return new Uint8Array(view.buffer);
}
