/** Which libsrt this is, and whether it is one that must not face strangers. */

export interface LibsrtVersion {
  /** `1.5.1` */
  readonly version: string;
  /** True unless the known fixes are known to be in. */
  readonly vulnerable: boolean;
}

/** The last release that has CVE-2026-55869 and CVE-2026-55868 (unauthenticated, 9.1) unpatched. */
const lastVulnerable = [1, 5, 5];

/** Packages of older releases that carry both fixes: name prefix and the first good revision. */
const patchedPackages: { prefix: string; revision: number }[] = [
  { prefix: "1.5.1-1+deb12u", revision: 2 },
];

/** Reads the number of `srt_getversion()`: 0x00MMmmpp. */
export function parseVersion(number: number): [number, number, number] {
  return [(number >> 16) & 0xff, (number >> 8) & 0xff, number & 0xff];
}

export function describeVersion(number: number, fromPackage: string | null): LibsrtVersion {
  const version = parseVersion(number);
  const old = version.map((part, i) => part - lastVulnerable[i]).find((diff) => diff !== 0) ?? 0;
  return { version: version.join("."), vulnerable: old <= 0 && !isPatched(fromPackage) };
}

function isPatched(fromPackage: string | null): boolean {
  const revisionOf = (prefix: string) => {
    const at = fromPackage?.indexOf(prefix) ?? -1;
    return at < 0 ? NaN : parseInt(fromPackage!.slice(at + prefix.length), 10);
  };
  return patchedPackages.some(({ prefix, revision }) => revisionOf(prefix) >= revision);
}
