/** A list that tests look into and can wait for, so that nothing ever sleeps. */
export class EventList<T> {
  readonly items: T[] = [];
  readonly #waiting: { matches: (item: T) => boolean; resolve: (item: T) => void }[] = [];

  push(item: T): void {
    this.items.push(item);
    for (const waiter of [...this.#waiting]) {
      if (!waiter.matches(item)) continue;
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      waiter.resolve(item);
    }
  }

  /** The first item that matches, past or to come. The test's own time limit is the deadline. */
  find<Found extends T>(matches: (item: T) => item is Found): Promise<Found>;
  find(matches: (item: T) => boolean): Promise<T>;
  find(matches: (item: T) => boolean): Promise<T> {
    const there = this.items.find(matches);
    if (there !== undefined) return Promise.resolve(there);
    return new Promise((resolve) => this.#waiting.push({ matches, resolve }));
  }

  /** Resolves when so many items are there. */
  async count(count: number, matches: (item: T) => boolean = () => true): Promise<T[]> {
    for (;;) {
      const found = this.items.filter(matches);
      if (found.length >= count) return found;
      const seen = this.items.length;
      await this.find((item) => this.items.indexOf(item) >= seen);
    }
  }
}
