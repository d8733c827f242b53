/** Which libsrt this program would run with. */
import process from "node:process";
import { type LibsrtLocation, openLibsrt } from "../../../ffi/libsrt/mod.ts";

/** `RELAYX_LIBSRT` names another library than the one that relayx carries. */
export function libsrtOverride(): string | undefined {
  return process.env.RELAYX_LIBSRT || undefined;
}

export interface LibsrtReport {
  version: string;
  /** What was opened. */
  path: string;
  origin: LibsrtLocation["origin"];
  /** The distribution's package it was linked from, where that is known. */
  package?: string;
  /** True for a version with known unauthenticated flaws that is not known to be patched. */
  vulnerable: boolean;
}

/** Throws where no libsrt can be opened. */
export function libsrtVersion(): LibsrtReport {
  const { version, location } = openLibsrt({ override: libsrtOverride() });
  return {
    ...version,
    path: location.path,
    origin: location.origin,
    ...(location.package && { package: location.package }),
  };
}
