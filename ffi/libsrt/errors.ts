/** libsrt's error numbers (srt.h, SRT_ERRNO) and socket states by name: one table each. */

const errors: Readonly<Record<number, string>> = {
  [-1]: "SRT_EUNKNOWN",
  1000: "SRT_ECONNSETUP",
  1001: "SRT_ENOSERVER",
  1002: "SRT_ECONNREJ",
  1003: "SRT_ESOCKFAIL",
  1004: "SRT_ESECFAIL",
  1005: "SRT_ESCLOSED",
  2000: "SRT_ECONNFAIL",
  2001: "SRT_ECONNLOST",
  2002: "SRT_ENOCONN",
  3000: "SRT_ERESOURCE",
  3001: "SRT_ETHREAD",
  3002: "SRT_ENOBUF",
  3003: "SRT_ESYSOBJ",
  4000: "SRT_EFILE",
  4001: "SRT_EINVRDOFF",
  4002: "SRT_ERDPERM",
  4003: "SRT_EINVWROFF",
  4004: "SRT_EWRPERM",
  5000: "SRT_EINVOP",
  5001: "SRT_EBOUNDSOCK",
  5002: "SRT_ECONNSOCK",
  5003: "SRT_EINVPARAM",
  5004: "SRT_EINVSOCK",
  5005: "SRT_EUNBOUNDSOCK",
  5006: "SRT_ENOLISTEN",
  5007: "SRT_ERDVNOSERV",
  5008: "SRT_ERDVUNBOUND",
  5009: "SRT_EINVALMSGAPI",
  5010: "SRT_EINVALBUFFERAPI",
  5011: "SRT_EDUPLISTEN",
  5012: "SRT_ELARGEMSG",
  5013: "SRT_EINVPOLLID",
  5014: "SRT_EPOLLEMPTY",
  5015: "SRT_EBINDCONFLICT",
  6000: "SRT_EASYNCFAIL",
  6001: "SRT_EASYNCSND",
  6002: "SRT_EASYNCRCV",
  6003: "SRT_ETIMEOUT",
  6004: "SRT_ECONGEST",
  7000: "SRT_EPEERERR",
};

/** The send buffer is full: keep the message, stop reading the other side, wait for OUT. */
export const SRT_EASYNCSND = 6001;
/** Nothing to receive or to accept now. */
export const SRT_EASYNCRCV = 6002;
export const SRT_ECONNLOST = 2001;
/** Among other things: a source time from before the connection. */
export const SRT_EINVALMSGAPI = 5009;

/** Socket states (srt.h, SRT_SOCKSTATUS). */
export const SRTS_CONNECTED = 5;
export const SRTS_BROKEN = 6;
export const SRTS_NONEXIST = 9;

export function srtErrorName(code: number): string {
  return errors[code] ?? `libsrt error ${code}`;
}

/** A libsrt call that failed: the call, libsrt's name for the reason and its own words. */
export class SrtError extends Error {
  override name = "SrtError";
  readonly number: number;
  /** libsrt's name, such as `SRT_EBINDCONFLICT`; the system's (`EADDRINUSE`) where it gave one. */
  readonly code: string;
  constructor(call: string, number: number, text: string, systemCode?: string) {
    super(`${call}: ${text} (${systemCode ?? srtErrorName(number)})`);
    this.number = number;
    this.code = systemCode ?? srtErrorName(number);
  }
}
