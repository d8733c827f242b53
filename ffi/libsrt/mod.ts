/**
 * libsrt, opened once per thread that uses it. The calls are bare; `lastError()` and `failure()`
 * read libsrt's thread-local error and must be used on the same thread before any other call.
 */
import { backend, type Calls } from "../backend/mod.ts";
import { openLibc } from "../libc/mod.ts";
import { errnoName } from "../libc/errno.ts";
import { SrtError, srtErrorName } from "./errors.ts";
import { libsrtCandidates, type LibsrtLocation, type LocateOptions } from "./locate.ts";
import type { ListenHookCalls } from "./listen-hook.ts";
import { encodeOption, type SrtOptionName, srtOptions, type SrtOptionValue } from "./options.ts";
import { libsrtSymbols, listenHookSymbols } from "./symbols.ts";
import { describeVersion, type LibsrtVersion, parseVersion } from "./version.ts";

export * from "./errors.ts";
export * from "./stats.ts";
export type { SrtOptionName, SrtOptionValue } from "./options.ts";
export type { LibsrtLocation } from "./locate.ts";
export { type HookedKind, ListenHook } from "./listen-hook.ts";

/** Readiness bits of `srt_epoll_*` (srt.h, SRT_EPOLL_OPT). */
export const SRT_EPOLL_IN = 0x1;
export const SRT_EPOLL_OUT = 0x4;
export const SRT_EPOLL_ERR = 0x8;
/** Room for the longest text there is, a stream id of 512 bytes and the zero behind it. */
const TEXT_BYTES = 513;
/** Lets an epoll id be waited on with nothing in it. */
export const SRT_EPOLL_ENABLE_EMPTY = 1;
/** The state of a connection's encryption (srt.h, SRT_KM_STATE): none; both ends have the key; … */
export const SRT_KM_S_UNSECURED = 0;
export const SRT_KM_S_SECURED = 2;
export const SRT_KM_S_NOSECRET = 3;
export const SRT_KM_S_BADSECRET = 4;
/** What every failing call that returns a number returns. */
export const SRT_ERROR = -1;

export interface Libsrt extends Calls<typeof libsrtSymbols> {
  readonly location: LibsrtLocation;
  readonly version: LibsrtVersion;
  /** What a {@link ListenHook} is made of; null where the library is not the one we link. */
  readonly listenHook: ListenHookCalls | null;
  /** The number of this thread's last libsrt error, such as 6002. */
  lastError(): number;
  failure(call: string): SrtError;
  /** Sets one option; throws {@link SrtError} naming it. */
  setOption(socket: number, name: SrtOptionName, value: SrtOptionValue): void;
  /** Reads an option that is an `int`; null where the socket no longer has it. */
  getInt(socket: number, name: SrtOptionName): number | null;
  /** Reads an option that is text, as bytes; null where the socket no longer has it. */
  getBytes(socket: number, name: SrtOptionName): Uint8Array | null;
  /** Why a peer, or we, refused a connection, in libsrt's words. */
  rejectReason(socket: number): string;
}

/**
 * Finds and opens libsrt. `srt_startup` is the caller's to call, once per process.
 * Throws when none opens (the error lists each place and why), or when it is older than 1.5.
 */
export function openLibsrt(options: Partial<LocateOptions> & { at?: LibsrtLocation } = {}): Libsrt {
  const candidates = options.at
    ? [options.at]
    : libsrtCandidates({ ...options, libc: options.libc ?? openLibc() });
  const tried: string[] = [];
  for (const location of candidates) {
    let calls: Calls<typeof libsrtSymbols>;
    try {
      calls = backend.open(location.path, libsrtSymbols).calls;
    } catch (error) {
      tried.push(`${location.path} (${location.origin}): ${(error as Error).message}`);
      continue;
    }
    const number = calls.srt_getversion();
    const [major, minor] = parseVersion(number);
    // 1.5 grew the statistics and renumbered options; an older one would be read wrongly.
    if (major === 1 && minor >= 5) return wrap(calls, location, number);
    tried.push(`${location.path} (${location.origin}): version ${parseVersion(number).join(".")}`);
  }
  throw new Error(
    `Cannot open libsrt 1.5 or later; tried ${tried.join("; ")}. ` +
      "Install the distribution's libsrt, or name one in RELAYX_LIBSRT.",
  );
}

/** Another library, such as the distribution's, is as good but for this. */
function openListenHook({ path }: LibsrtLocation): ListenHookCalls | null {
  try {
    return backend.open(path, listenHookSymbols).calls;
  } catch {
    return null;
  }
}

function wrap(
  calls: Calls<typeof libsrtSymbols>,
  location: LibsrtLocation,
  versionNumber: number,
): Libsrt {
  const systemErrno = new Int32Array(1);
  const value = new Int32Array(1);
  const length = new Int32Array(1);
  const text_value = new Uint8Array(TEXT_BYTES);
  const lastError = () => calls.srt_getlasterror(systemErrno);
  const text = () => {
    const at = calls.srt_getlasterror_str();
    return at ? backend.readText(at).replace(/\.$/, "") : "no description";
  };
  const failure = (call: string) => {
    const number = lastError();
    const system = systemErrno[0] > 0 ? errnoName(systemErrno[0]) : undefined;
    return new SrtError(call, number, text(), system);
  };
  return {
    ...calls,
    location,
    version: describeVersion(versionNumber, location.package),
    listenHook: openListenHook(location),
    lastError,
    failure,
    setOption(socket, name, value) {
      const bytes = encodeOption(name, value);
      if (calls.srt_setsockflag(socket, srtOptions[name].number, bytes, bytes.length) < 0) {
        throw failure(`srt_setsockflag ${name}=${String(value)}`);
      }
    },
    getInt(socket, name) {
      length[0] = 4;
      const { number } = srtOptions[name];
      return calls.srt_getsockflag(socket, number, value, length) < 0 ? null : value[0];
    },
    getBytes(socket, name) {
      length[0] = text_value.length;
      const { number } = srtOptions[name];
      if (calls.srt_getsockflag(socket, number, text_value, length) < 0) return null;
      return text_value.slice(0, length[0]);
    },
    rejectReason(socket) {
      const at = calls.srt_rejectreason_str(calls.srt_getrejectreason(socket));
      return at ? backend.readText(at) : srtErrorName(-1);
    },
  };
}
