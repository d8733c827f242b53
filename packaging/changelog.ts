/** The newest entry of Debian's changelog: what is packaged, and the time that its files have. */

export interface ChangelogHead {
  version: string;
  /** Seconds since 1970. */
  epoch_s: number;
  maintainer: string;
}

export function changelogHead(changelog: string): ChangelogHead {
  const head = /^relayx \(([^)]+)\) \w+; urgency=\w+\n/.exec(changelog);
  const trailer = /^ -- (.+ <[^>]+>) {2}(\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4})$/m
    .exec(changelog);
  const epoch_s = Date.parse(trailer?.[2] ?? "") / 1000;
  if (head === null || trailer === null || Number.isNaN(epoch_s)) {
    throw new Error(
      "packaging/debian/changelog does not begin with an entry as Debian writes them",
    );
  }
  return { version: head[1], epoch_s, maintainer: trailer[1] };
}

/** `1.0.0-rc.1` comes before `1.0.0` for Debian only with a tilde. */
export function debianVersion(version: string): string {
  return version.replace("-", "~");
}
