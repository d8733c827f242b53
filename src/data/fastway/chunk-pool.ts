/**
 * The memory for what cannot be passed on at once: frames that have come in part, and what waits for
 * slow receivers. A slab, as the original has it: classes of chunks, each `factor` times as large as
 * the one before; pages of `page_bytes` that are cut into chunks of one class; `pool_bytes_max` in all.
 *
 * A chunk has one holder at a time, is handed on without a copy, and is given back by who has it last.
 * A page whose chunks are all free goes back to the system where its class has another such page.
 */
import { Block } from "./pieces.ts";
import type { PoolSettings } from "./protocol.ts";

/** A piece of a page. What it holds is from `from` to `to` of its block. */
export class Chunk {
  readonly page: Page;
  readonly block: Block;
  readonly begin: number;
  readonly end: number;
  from: number;
  to: number;
  /** Of the chain it is part of; the next free one of its page otherwise. */
  next: Chunk | null = null;

  constructor(page: Page, begin: number, end: number) {
    this.page = page;
    this.block = page.block;
    this.begin = begin;
    this.end = end;
    this.from = begin;
    this.to = begin;
  }

  /** Bytes that still go in behind what it holds. */
  get room(): number {
    return this.end - this.to;
  }
}

class Page {
  readonly block: Block;
  readonly size_class: SizeClass;
  /** Chunks made so far; the page is cut as far as it is needed. */
  cut = 0;
  used = 0;
  free: Chunk | null = null;
  /** Among the pages of its class that have room. */
  previous: Page | null = null;
  next: Page | null = null;

  constructor(size_class: SizeClass) {
    this.size_class = size_class;
    this.block = new Block(size_class.page_bytes);
  }
}

class SizeClass {
  readonly chunk_bytes: number;
  readonly page_bytes: number;
  readonly chunks_per_page: number;
  /** Those that have a free chunk. */
  pages: Page | null = null;
  /** A page of which nothing is used, kept for the next who needs it. */
  spare: Page | null = null;

  constructor(chunk_bytes: number, page_bytes: number) {
    this.chunk_bytes = chunk_bytes;
    this.page_bytes = Math.max(page_bytes, chunk_bytes);
    this.chunks_per_page = Math.floor(this.page_bytes / chunk_bytes);
  }

  link(page: Page): void {
    page.next = this.pages;
    if (page.next) page.next.previous = page;
    this.pages = page;
  }

  unlink(page: Page): void {
    if (page.previous) page.previous.next = page.next;
    else this.pages = page.next;
    if (page.next) page.next.previous = page.previous;
    page.previous = null;
    page.next = null;
  }
}

export class ChunkPool {
  /** Bytes in pages, and in chunks that somebody holds. */
  bytes = 0;
  used_bytes = 0;
  /**
   * Asked where all is used up: has somebody else give back what it holds, at once. False where nobody
   * can.
   */
  reclaim: () => boolean = () => false;
  readonly #classes: readonly SizeClass[];
  readonly #settings: PoolSettings;

  /** `pool_bytes_max` is read anew for every page. */
  constructor(settings: PoolSettings) {
    const { chunk_bytes_min, chunk_bytes_max, factor, page_bytes } = settings;
    this.#settings = settings;
    const classes: SizeClass[] = [];
    for (let bytes = chunk_bytes_min; bytes < chunk_bytes_max; bytes *= factor) {
      classes.push(new SizeClass(bytes, page_bytes));
    }
    classes.push(new SizeClass(chunk_bytes_max, page_bytes));
    this.#classes = classes;
  }

  /** An empty chunk of at least so many bytes, or one of the largest; null where the pool is used up. */
  take(bytes: number): Chunk | null {
    const classes = this.#classes;
    let i = 0;
    while (i < classes.length - 1 && classes[i].chunk_bytes < bytes) i++;
    const size_class = classes[i];
    let page = size_class.pages ?? this.#newPage(size_class);
    // What one gives back may be parts of pages that others use, too.
    while (page === null) {
      if (!this.reclaim()) return null;
      page = size_class.pages ?? this.#newPage(size_class);
    }
    if (page === size_class.spare) size_class.spare = null;
    let chunk = page.free;
    if (chunk) {
      page.free = chunk.next;
    } else {
      const begin = page.cut++ * size_class.chunk_bytes;
      chunk = new Chunk(page, begin, begin + size_class.chunk_bytes);
    }
    page.used++;
    if (page.used === size_class.chunks_per_page) size_class.unlink(page);
    this.used_bytes += size_class.chunk_bytes;
    chunk.from = chunk.begin;
    chunk.to = chunk.begin;
    chunk.next = null;
    return chunk;
  }

  give(chunk: Chunk): void {
    const { page } = chunk;
    const { size_class } = page;
    if (page.used === size_class.chunks_per_page) size_class.link(page);
    chunk.next = page.free;
    page.free = chunk;
    page.used--;
    this.used_bytes -= size_class.chunk_bytes;
    if (page.used > 0) return;
    if (size_class.spare === null) {
      size_class.spare = page;
    } else {
      size_class.unlink(page);
      this.bytes -= size_class.page_bytes;
    }
  }

  giveChain(first: Chunk | null): void {
    for (let chunk = first; chunk !== null;) {
      const next: Chunk | null = chunk.next;
      this.give(chunk);
      chunk = next;
    }
  }

  #newPage(size_class: SizeClass): Page | null {
    const { page_bytes } = size_class;
    if (this.bytes + page_bytes > this.#settings.pool_bytes_max) {
      if (!this.#releaseSpares(page_bytes)) return null;
    }
    const page = new Page(size_class);
    size_class.link(page);
    this.bytes += page_bytes;
    return page;
  }

  /** Where all of the pool is in pages, those that nobody uses make way for another class. */
  #releaseSpares(wanted_bytes: number): boolean {
    for (const size_class of this.#classes) {
      const { spare, page_bytes } = size_class;
      if (spare === null) continue;
      size_class.spare = null;
      size_class.unlink(spare);
      this.bytes -= page_bytes;
      if (this.bytes + wanted_bytes <= this.#settings.pool_bytes_max) return true;
    }
    return false;
  }
}
