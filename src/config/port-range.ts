/** Port ranges as the configuration writes them: `"2300-2320"`, both ends inside, or one port. */

/** A range of ports; both ends belong to it. */
export interface PortRange {
  first: number;
  last: number;
}

/** Reads a range; null where the text is none, is empty or leaves 1 to 65535. */
export function parsePortRange(text: string): PortRange | null {
  const match = /^(\d{1,5})(?: ?- ?(\d{1,5}))?$/.exec(text);
  if (match === null) return null;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first >= 1 && first <= last && last <= 65_535 ? { first, last } : null;
}

/** How many ports a range has. */
export function portCount(range: PortRange): number {
  return range.last - range.first + 1;
}

/** A range as the configuration writes it. */
export function formatPortRange(range: PortRange): string {
  return range.first === range.last ? `${range.first}` : `${range.first}-${range.last}`;
}
