/**
 * The C library, opened once per thread. The calls are bare: they return −1 and set errno, and a hot
 * loop uses them as they are; `failure()` makes an error of the last one that failed.
 */
import { type Backend, backend, type Calls, type NativeLibrary } from "../backend/mod.ts";
import { SystemCallError } from "./errno.ts";
import { libcSymbols } from "./symbols.ts";

/** Where memory of ours is; see {@link Backend.addressOf}. */
export const addressOf: Backend["addressOf"] = backend.addressOf;

export * from "./constants.ts";
export * from "./errno.ts";
export * from "./sockaddr.ts";

export interface Libc extends Calls<typeof libcSymbols> {
  /** errno of the calling thread; read it before any other call. */
  errno(): number;
  /** The last failure as an error that names the call. */
  failure(call: string, about?: string): SystemCallError;
}

/** Opens the C library of this process. Throws where there is none (no glibc or musl). */
export function openLibc(): Libc {
  const { calls } = openEither(["libc.so.6", "libc.musl-x86_64.so.1", "libc.so"]);
  const location = calls.__errno_location();
  if (!location) throw new Error("Cannot find errno: __errno_location returned NULL");
  const errno = () => backend.readInt32(location);
  return { ...calls, errno, failure: (call, about) => new SystemCallError(call, errno(), about) };
}

function openEither(names: string[]): NativeLibrary<typeof libcSymbols> {
  const tried: string[] = [];
  for (const name of names) {
    try {
      return backend.open(name, libcSymbols);
    } catch (error) {
      tried.push(`${name}: ${(error as Error).message}`);
    }
  }
  throw new Error(`Cannot open the C library; tried ${tried.join("; ")}`);
}
