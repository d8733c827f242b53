/**
 * The libsrt that travels inside the executable. From source there is none; `build.ts` puts another
 * text in the place of this module, with the shared object it has just linked.
 */
export interface EmbeddedLibsrt {
  /** Where the file can be read, inside the executable's own file system. */
  readonly file: string;
  /** The distribution's package and version whose static library was linked. */
  readonly package: string;
}

export const embeddedLibsrt: EmbeddedLibsrt | null = null;
