/** Dials of this worker's servers that another worker has not answered yet. */

export class PendingDials {
  /** By the server's endpoint: how often it has dialled each client. */
  readonly #dials = new Map<number, Map<number, number>>();

  add(endpoint: number, client_id: number): void {
    let clients = this.#dials.get(endpoint);
    if (clients === undefined) this.#dials.set(endpoint, clients = new Map());
    clients.set(client_id, (clients.get(client_id) ?? 0) + 1);
  }

  remove(endpoint: number, client_id: number): void {
    const clients = this.#dials.get(endpoint);
    const there = clients?.get(client_id) ?? 0;
    if (there > 1) clients!.set(client_id, there - 1);
    else clients?.delete(client_id);
    if (clients?.size === 0) this.#dials.delete(endpoint);
  }

  has(endpoint: number): boolean {
    return this.#dials.has(endpoint);
  }

  /** All of them, each as often as it was dialled; there are none then. */
  takeAll(): [endpoint: number, client_id: number][] {
    const all = [...this.#dials].flatMap(([endpoint, clients]) =>
      [...clients].flatMap(([client_id, times]) =>
        Array<[number, number]>(times).fill([endpoint, client_id])
      )
    );
    this.#dials.clear();
    return all;
  }
}
