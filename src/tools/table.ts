/** Rows of text in columns, for a terminal. */

export interface TableRow {
  cells: string[];
  /** A sentence at the end, which takes no part in the columns. */
  tail?: string;
}

/** One line for each row, the head first; columns are as wide as their widest cell. */
export function textTable(head: readonly string[], rows: readonly TableRow[]): string {
  const all: TableRow[] = [{ cells: [...head] }, ...rows];
  const widths = head.map((_, at) => Math.max(...all.map(({ cells }) => cells[at]?.length ?? 0)));
  return all.map((row) => `${lineOf(row, widths)}\n`).join("");
}

function lineOf({ cells, tail }: TableRow, widths: readonly number[]): string {
  const columns = cells.map((cell, at) => cell.padEnd(widths[at])).join("  ");
  if (tail === undefined) return columns.trimEnd();
  return columns === "" ? tail : `${columns}  ${tail}`;
}
