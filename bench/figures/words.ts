/** Numbers and tables as the report writes them. */

/** A number with a fixed count of digits behind the point; what is not a number is a dash. */
export function figure(value: number, digits: number): string {
  if (!Number.isFinite(value)) return "–";
  return value.toFixed(digits);
}

/** A Markdown table, the first column to the left and the others to the right. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeCell).join(" | ")} |`;
  return [
    line(head),
    `| ${head.map((_, at) => at === 0 ? "---" : "---:").join(" | ")} |`,
    ...rows.map(line),
  ].join("\n");
}

/** Like {@link table} with every column to the left, for words. */
export function wordTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return table(head, rows).replace(
    /^\|( ---:? \|)+( ---:? \|)*$/m,
    (rule) => rule.replaceAll("---:", "---"),
  );
}

/** A cell is one line and has no bar of its own. */
function escapeCell(text: string): string {
  return text.replaceAll("|", "\\|").replace(/\s*\n\s*/g, " ");
}
