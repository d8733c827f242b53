/** Finds libsrt: the operator's override, then the one inside the executable, then the system's. */
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Libc } from "../libc/mod.ts";
import { MFD_CLOEXEC } from "../libc/mod.ts";
import { type EmbeddedLibsrt, embeddedLibsrt } from "./embedded.ts";

export interface LibsrtLocation {
  /** What to hand to dlopen, valid in every thread of this process. */
  readonly path: string;
  readonly origin: "override" | "embedded" | "built" | "system";
  /** The distribution's package it was linked from, where that is known. */
  readonly package: string | null;
}

/** Sonames of libsrt 1.5 on Debian, Ubuntu, Fedora and Alpine, the OpenSSL flavour first. */
const systemNames = ["libsrt.so.1.5", "libsrt-gnutls.so.1.5", "libsrt.so.1", "libsrt.so"];

export interface LocateOptions {
  libc: Libc;
  /** `RELAYX_LIBSRT`: a path or soname that wins over everything; nothing else is tried then. */
  override?: string;
  embedded?: EmbeddedLibsrt | null;
}

/**
 * The places where libsrt may be, best first. They are candidates: whether one opens is only known
 * by opening it, and a location of the embedded library holds a descriptor for the process's life.
 */
export function libsrtCandidates(options: LocateOptions): LibsrtLocation[] {
  const { libc, override, embedded = embeddedLibsrt } = options;
  if (override) return [{ path: override, origin: "override", package: null }];
  const ours: LibsrtLocation | null = embedded
    ? { path: unpack(libc, embedded.file), origin: "embedded", package: embedded.package }
    : builtLibrary();
  return [
    ...(ours ? [ours] : []),
    ...systemNames.map((path): LibsrtLocation => ({ path, origin: "system", package: null })),
  ];
}

/** What `build.ts` left in `dist/`, so that running from source uses the same library. */
function builtLibrary(): LibsrtLocation | null {
  const path = fileURLToPath(new URL("../../dist/libsrt.so", import.meta.url));
  if (!existsSync(path)) return null;
  const note = `${path}.package`;
  return {
    path,
    origin: "built",
    package: existsSync(note) ? readFileSync(note, "utf8").trim() : null,
  };
}

/**
 * Copies the library into memory that has a path. No temporary file is written, so a read-only or
 * noexec /tmp does not matter and nobody can put another library in its place.
 */
function unpack(libc: Libc, file: string): string {
  const bytes = readFileSync(file);
  const name = new TextEncoder().encode("libsrt\0");
  const fd = libc.memfd_create(name, MFD_CLOEXEC);
  if (fd < 0) throw libc.failure("memfd_create", "for the embedded libsrt");
  for (let at = 0; at < bytes.length;) {
    const written = libc.write(fd, bytes.subarray(at), bytes.length - at);
    if (written < 0) throw libc.failure("write", "of the embedded libsrt");
    at += written;
  }
  return `/proc/self/fd/${fd}`;
}
