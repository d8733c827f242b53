/**
 * The dashboard's files, by the paths at which they are served: `/` is `index.html`, everything else
 * stands under `/page/`. From source they are read where they stand; in the executable the build has
 * put their texts in the place of this module.
 */
import { readdirSync, readFileSync } from "node:fs";
import { extname, join } from "node:path";

/** One file of the page. */
export interface PageAsset {
  /** The media type, with the charset. */
  type: string;
  body: string;
}

export type PageAssets = ReadonlyMap<string, PageAsset>;

/** By a file's extension; a file with another one is not for the browser. */
const TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml; charset=utf-8",
};

export function pageAssets(): PageAssets {
  const folder = join(import.meta.dirname, "page");
  const assets = new Map<string, PageAsset>();
  for (const name of readdirSync(folder).toSorted()) {
    const type = TYPES[extname(name)];
    if (type === undefined) continue;
    const path = name === "index.html" ? "/" : `/page/${name}`;
    assets.set(path, { type, body: readFileSync(join(folder, name), "utf8") });
  }
  return assets;
}
