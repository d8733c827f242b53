/** relayx.yaml(5), from the comments of config.yaml: every key with its default and what it does. */
import type { PageFacts } from "./man-page.ts";
import { ManPage } from "./roff.ts";

export function configPage(config: string, { version, date }: PageFacts): string {
  const page = new ManPage({
    name: "relayx.yaml",
    section: 5,
    date,
    source: `relayx ${version}`,
    manual: "File Formats",
  });
  page.section("NAME").paragraph("relayx.yaml - configuration of relayx")
    .section("DESCRIPTION");
  const [head, ...blocks] = blocksOf(config);
  if (head === undefined || head.lines.length > 0) {
    throw new Error("config.yaml does not begin with a comment about the whole file");
  }
  for (const paragraph of paragraphsOf(head)) page.paragraph(paragraph);
  for (const block of blocks) {
    const { lines, depth } = block;
    if (lines.length > 0 && depth > 0) {
      page.definition(lines.map((line) => line.trim()), paragraphsOf(block));
      continue;
    }
    if (lines.length > 0) page.section(lines[0].replace(/:.*/, "").toUpperCase());
    for (const paragraph of paragraphsOf(block)) {
      // An example is a piece of the file.
      if (/^\w+:\n/.test(paragraph)) page.verbatim(paragraph);
      else page.paragraph(paragraph);
    }
  }
  page.section("FILES").definition("/etc/relayx/config.yaml", ["What the service reads."])
    .section("SEE ALSO").paragraph("relayx(1)");
  return page.toString();
}

/** A comment and the lines that it is about, up to the next empty line or comment. */
interface Block {
  comment: string[];
  lines: string[];
  /** Spaces before the first line: 0 for the name of a section. */
  depth: number;
}

function blocksOf(config: string): Block[] {
  const blocks: Block[] = [];
  let block: Block | null = null;
  for (const line of config.split("\n")) {
    const comment = /^ *#(?: (.*)|)$/.exec(line);
    const depth = /^ */.exec(line)![0].length;
    if (line.trim() === "") {
      block = null;
      continue;
    }
    // A comment below lines is about the next ones, and so is what is further in than they are.
    if (block === null || (block.lines.length > 0 && (comment !== null || depth !== block.depth))) {
      block = { comment: [], lines: [], depth };
      blocks.push(block);
    }
    if (comment !== null) block.comment.push(comment[1] ?? "");
    else block.lines.push(line);
  }
  return blocks;
}

function paragraphsOf({ comment }: Block): string[] {
  return comment.join("\n").split(/\n\n+/).filter((paragraph) => paragraph !== "");
}
