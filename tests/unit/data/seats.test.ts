import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Role } from "../../../src/data/plane.ts";
import { type Seated, Seats } from "../../../src/data/seats.ts";
import { announcedRandom } from "../../harness/random.ts";

const session_id = "0123456789abcdef";
const hello = (role: Role, given = session_id) => ({ role, session_id: given, id: "x" });

interface End extends Seated {
  half_closed: boolean;
  name: string;
}
const end = (name: string): End => ({ half_closed: false, name });

test("a wrong session id of any length is a mismatch, and takes no seat", () => {
  const seats = new Seats<End>({ session_id });
  for (const given of ["", "0", `${session_id}0`, "0123456789abcdee", session_id.toUpperCase()]) {
    expect(seats.take(hello("client", given), end("stranger"))).toEqual({
      type: "reject",
      status: "alloc_mismatch",
      detail: "the session_id is not the one reserved on this port",
    });
  }
  expect(seats.at("client")).toBeNull();
});

test("a detail never tells the session id", () => {
  const seats = new Seats<End>({ session_id });
  seats.take(hello("client"), end("one"));
  for (const given of [hello("client", "other"), hello("client")]) {
    expect(JSON.stringify(seats.take(given, end("two")))).not.toContain(session_id);
  }
});

describe("where the session asks for proofs", () => {
  const proofs = { client: "c".repeat(32), server: "5".repeat(32) };
  const proven = (role: Role, hello_token?: string) => ({ ...hello(role), hello_token });

  test("each end needs its own", () => {
    for (const role of ["client", "server"] as const) {
      const other = role === "client" ? "server" : "client";
      const seats = new Seats<End>({ session_id, proofs });
      const wrong = ["", "x", proofs[role].slice(1), `${proofs[role]}0`, proofs[other], session_id];
      for (const given of [undefined, ...wrong]) {
        const decision = seats.take(proven(role, given), end("stranger"));
        expect(decision).toMatchObject({ type: "reject", status: "hello_unproven" });
        expect(JSON.stringify(decision)).not.toContain(proofs[role]);
        expect(seats.at(role)).toBeNull();
      }
      expect(seats.take(proven(role, proofs[role]), end("one")).type).toBe("wait");
      expect(seats.take(proven(other, proofs[other]), end("two")).type).toBe("pair");
    }
  });

  test("nobody without one is told who is there", () => {
    const seats = new Seats<End>({ session_id, proofs });
    const status = (role: Role, hello_token?: string) => {
      const decision = seats.take(proven(role, hello_token), end("x"));
      return decision.type === "reject" ? decision.status : decision.type;
    };
    expect(status("client", proofs.client)).toBe("wait");
    expect(status("client")).toBe("hello_unproven");
    expect(status("client", proofs.client)).toBe("client_dup");
    expect(status("server", proofs.server)).toBe("pair");
    expect(status("server")).toBe("hello_unproven");
    expect(status("server", proofs.server)).toBe("port_occupied");
  });

  test("a proof says whose it is", () => {
    const seats = new Seats<End>({ session_id, proofs });
    expect(seats.provenRole(proofs.client)).toBe("client");
    expect(seats.provenRole(proofs.server)).toBe("server");
    expect(seats.provenRole("x")).toBeNull();
    expect(seats.provenRole()).toBeNull();
    expect(new Seats<End>({ session_id }).provenRole(proofs.client)).toBeNull();
  });

  test("an empty one is refused before anybody can say nothing", () => {
    expect(() => new Seats({ session_id, proofs: { ...proofs, server: "" } })).toThrow("empty");
  });
});

test("where it asks for none, one that is given means nothing", () => {
  const seats = new Seats<End>({ session_id });
  expect(seats.take({ ...hello("client"), hello_token: "x" }, end("one")).type).toBe("wait");
});

test("whatever comes in whatever order, the seats are as a model of them", () => {
  const { seed } = announcedRandom("seats");
  const step = fc.oneof(
    fc.record({
      do: fc.constant("take" as const),
      role: fc.constantFrom<Role>("client", "server"),
      ours: fc.boolean(),
    }),
    fc.record({
      do: fc.constantFrom("leave" as const, "finish" as const),
      role: fc.constantFrom<Role>("client", "server"),
      ours: fc.constant(true),
    }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
      const seats = new Seats<End>({ session_id });
      const model: Record<Role, End | null> = { client: null, server: null };
      let paired = false;
      for (const [i, { do: what, role, ours }] of steps.entries()) {
        const other = role === "client" ? "server" : "client";
        if (what === "take") {
          const one = end(`${i}`);
          const decision = seats.take(hello(role, ours ? session_id : "wrong"), one);
          const seated = model[role];
          if (!ours) expect(decision).toMatchObject({ type: "reject", status: "alloc_mismatch" });
          else if (paired) {
            expect(decision).toMatchObject({ type: "reject", status: "port_occupied" });
          } else if (seated && !seated.half_closed) {
            expect(decision).toMatchObject({ type: "reject", status: `${role}_dup` });
          } else {
            model[role] = one;
            paired = model[other] !== null;
            expect(decision).toEqual(
              paired ? { type: "pair", with: model[other]! } : { type: "wait", replaces: seated },
            );
          }
        } else if (!paired && what === "leave") {
          seats.leave(role);
          model[role] = null;
        } else if (!paired && model[role]) model[role].half_closed = true;
        expect(seats.at("client")).toBe(model.client);
        expect(seats.at("server")).toBe(model.server);
      }
    }),
    { seed, numRuns: 1_000 },
  );
});
