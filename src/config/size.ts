/**
 * Sizes as the configuration writes them: a decimal number and B, KB, MB or GB, 1024-based. K, M and G
 * are understood as well, which other gateways' configurations have.
 */

const UNIT_BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
};

/**
 * Reads a size as bytes, rounded to a whole byte; null where the text is none. The unit is
 * mandatory: a bare number would leave open whether bytes or megabytes are meant.
 */
export function parseSize(text: string): number | null {
  const match = /^(\d{1,15}(?:\.\d{1,9})?) ?(B|[KMG]B?)$/i.exec(text);
  if (match === null) return null;
  const unit = match[2].toUpperCase().replace(/^[KMG]$/, "$&B");
  const bytes = Math.round(Number(match[1]) * UNIT_BYTES[unit]);
  return Number.isSafeInteger(bytes) ? bytes : null;
}

/** Bytes as the same grammar writes them, in the largest unit that leaves a whole number. */
export function formatSize(bytes: number): string {
  for (const unit of ["GB", "MB", "KB"]) {
    if (bytes >= UNIT_BYTES[unit] && bytes % UNIT_BYTES[unit] === 0) {
      return `${bytes / UNIT_BYTES[unit]}${unit}`;
    }
  }
  return `${bytes}B`;
}
