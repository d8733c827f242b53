/**
 * Which recorded events name a word: chains of events per word, oldest first. Events are forgotten
 * in the order in which they came, so the one that goes is always the head of each of its chains,
 * and forgetting costs as little as adding.
 */

/** One event in one chain. */
interface Link<E> {
  readonly event: E;
  readonly chain: Chain<E>;
  next: Link<E> | null;
}

interface Chain<E> {
  readonly word: string;
  first: Link<E> | null;
  last: Link<E> | null;
}

/** An event's places in the chains; handed back when the event is forgotten. */
export type Links<E> = readonly Link<E>[];

export class EventIndex<E> {
  readonly #chains = new Map<string, Chain<E>>();

  /** How many words are known. */
  get size(): number {
    return this.#chains.size;
  }

  /** Adds the newest event under each of its words. */
  add(event: E, words: readonly string[]): Links<E> {
    return words.map((word) => {
      const chain = this.#chain(word);
      const link: Link<E> = { event, chain, next: null };
      if (chain.last === null) chain.first = link;
      else chain.last.next = link;
      chain.last = link;
      return link;
    });
  }

  /** Forgets the oldest event by what {@link add} has returned for it. */
  deleteOldest(links: Links<E>): void {
    for (const { chain, next } of links) {
      if (next === null) this.#chains.delete(chain.word);
      else chain.first = next;
    }
  }

  /** The events that name the word, oldest first. */
  *of(word: string): Iterable<E> {
    let link: Link<E> | null = this.#chains.get(word)?.first ?? null;
    for (; link !== null; link = link.next) yield link.event;
  }

  #chain(word: string): Chain<E> {
    let chain = this.#chains.get(word);
    if (chain === undefined) this.#chains.set(word, chain = { word, first: null, last: null });
    return chain;
  }
}
