import { expect, test } from "bun:test";
import { Admission } from "../../../src/data/admission.ts";
import { announcedRandom } from "../../harness/random.ts";

test("names the bound that is reached, the one on all first", () => {
  const admission = new Admission({
    unproven_max: 3,
    unproven_per_address_max: 2,
    unproven_prefix: "",
  });
  expect([admission.enter("a"), admission.enter("a"), admission.enter("a")]).toEqual([
    null,
    null,
    "unproven_per_address_max",
  ]);
  expect([admission.enter("b"), admission.enter("b"), admission.enter("a")]).toEqual([
    null,
    "unproven_max",
    "unproven_max",
  ]);
  admission.leave("a");
  expect([admission.enter("b"), admission.total]).toEqual([null, 3]);
});

test("counts like a list of all who are there", () => {
  const random = announcedRandom("admission");
  const limits = { unproven_max: 12, unproven_per_address_max: 4, unproven_prefix: "" } as const;
  const admission = new Admission(limits);
  const there: string[] = [];
  for (let i = 0; i < 5_000; i++) {
    if (random.next() < 0.55) {
      const address = `10.0.0.${random.int(1, 6)}`;
      const same = there.filter((one) => one === address).length;
      const expected = there.length >= limits.unproven_max
        ? "unproven_max"
        : same >= limits.unproven_per_address_max
        ? "unproven_per_address_max"
        : null;
      expect(admission.enter(address)).toBe(expected);
      if (!expected) there.push(address);
    } else if (there.length > 0) {
      admission.leave(there.splice(random.int(0, there.length - 1), 1)[0]);
    }
    expect(admission.total).toBe(there.length);
  }
});

test("a plane with bounds of its own names them by their own keys", () => {
  const admission = new Admission({
    unproven_max: 2,
    unproven_per_address_max: 1,
    unproven_prefix: "srt_",
  });
  admission.enter("a");
  expect(admission.enter("a")).toBe("srt_unproven_per_address_max");
  admission.enter("b");
  expect(admission.enter("c")).toBe("srt_unproven_max");
});
