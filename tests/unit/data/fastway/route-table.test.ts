/** The table of virtual connections against a plain map. */
import { expect, test } from "bun:test";
import type { Route } from "../../../../src/data/fastway/outlet.ts";
import { RouteTable } from "../../../../src/data/fastway/route-table.ts";
import { announcedRandom } from "../../../harness/random.ts";

const route = (id: number) => ({ id }) as Route;

test("finds what is there and nothing else, whatever comes and goes", () => {
  const random = announcedRandom("route table");
  for (let run = 0; run < 20; run++) {
    const table = new RouteTable();
    const known = new Map<number, Route>();
    const span = random.pick([100, 5000, 2 ** 32 - 2]);
    const step = random.pick([1, 2, 64, 4096]);
    // Grows for a while and shrinks again, so that the table does, too.
    for (let i = 0; i < 6000; i++) {
      const id = (1 + random.int(0, span) * step) % 2 ** 32 || 1;
      const grows = i < 3000 ? 0.7 : 0.3;
      if (known.has(id) || random.next() > grows) {
        const gone = known.has(id) ? id : [...known.keys()][0] ?? id;
        known.delete(gone);
        table.delete(gone);
      } else {
        known.set(id, route(id));
        table.add(known.get(id)!);
      }
      expect(table.get(id)).toBe(known.get(id) ?? null);
      if (i % 500 === 0) {
        for (const [id, one] of known) expect(table.get(id)).toBe(one);
      }
    }
    expect(table.size).toBe(known.size);
    expect([...table].map(({ id }) => id).sort()).toEqual([...known.keys()].sort());
  }
});

test(
  "as many as a crowd of clients has end in their order, and none looks through all the others",
  () => {
    // Through all of them it would be twenty thousand million looks, and half a minute.
    const count = 200_000;
    const table = new RouteTable();
    for (let id = 1; id <= count; id++) table.add(route(id));
    for (let id = 1; id <= count; id++) table.delete(id);
    expect(table.size).toBe(0);
  },
  5000,
);

test("new ones are found at once where their places fall among many that stay", () => {
  const staying = 60_000;
  const table = new RouteTable();
  for (let id = 1; id <= staying; id++) table.add(route(id));
  // Ids count on, past the table's size: the lowest bits of these are those of the ones that stay.
  for (let turn = 1; turn <= 16; turn++) {
    for (let i = 1; i <= 1000; i++) {
      const id = turn * 2 ** 17 + i;
      const one = route(id);
      table.add(one);
      for (let frame = 0; frame < 20; frame++) expect(table.get(id) === one).toBe(true);
      table.delete(id);
    }
  }
  expect(table.size).toBe(staying);
}, 5000);
