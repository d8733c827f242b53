import { expect, test } from "bun:test";
import type { PairRequest } from "../../../src/sessions/party.ts";
import { type Ticket, WaitingLine } from "../../../src/sessions/waiting-line.ts";
import { announcedRandom } from "../../harness/random.ts";
import { FakeParty } from "./fixture.ts";

function ticket(turn: number, asker: FakeParty, wants: Partial<PairRequest> = {}): Ticket {
  const request: PairRequest = {
    request_id: `r${turn}`,
    trace_id: "",
    server_id: "",
    need_zmq: true,
    need_srt: false,
    srt: {},
    hello_proof: false,
    ...wants,
  };
  return { turn, asker, request, asked_at: 0, timed_out: false };
}

test("a pass goes by turns over all lanes, those that are put back included", () => {
  const random = announcedRandom("a pass over lanes");
  for (let round = 0; round < 50; round++) {
    const line = new WaitingLine({ isOnline: () => true });
    const askers = Array.from(
      { length: random.int(1, 12) },
      (_, i) => new FakeParty({ role: "client", id: `c${i}`, peers: ["*"] }),
    );
    const turns = Array.from({ length: random.int(0, 60) }, (_, turn) => turn);
    for (const turn of turns) {
      const need_srt = random.next() < 0.5;
      line.add(ticket(turn, random.pick(askers), { need_srt, server_id: random.pick(["", "s"]) }));
    }
    const pass = line.pass();
    const seen: number[] = [];
    for (let lane = pass.next(); lane !== undefined; lane = pass.next()) {
      const first = lane.first!;
      seen.push(first.turn);
      line.delete(first);
      pass.again(lane);
    }
    expect(seen).toEqual(turns);
    expect(line.size).toBe(0);
  }
});

test("those with the same scope share a lane, and others do not hold each other up", () => {
  const line = new WaitingLine({ isOnline: () => true });
  const [open_a, open_b] = ["a", "b"].map((id) => new FakeParty({ role: "client", id }));
  const own = new FakeParty({ role: "client", id: "c", peers: ["*"] });
  [open_a, own, open_b].forEach((asker, turn) => line.add(ticket(turn, asker)));
  const lanes = (pass = line.pass()) => [pass.next(), pass.next(), pass.next()];
  expect(lanes().map((lane) => lane?.size)).toEqual([2, 1, undefined]);
});

test("lanes of a server that is not there rest until it comes, of whatever scope", () => {
  const line = new WaitingLine({ isOnline: () => false });
  const askers = ["a", "b"].map((id) => new FakeParty({ role: "client", id, peers: ["*"] }));
  askers.forEach((asker, turn) => line.add(ticket(turn, asker, { server_id: "s" })));
  expect(line.pass().next()).toBeUndefined();
  line.onServer("s", true);
  expect(line.pass().next()?.first?.turn).toBe(0);
  line.delete(line.ticketsOf(askers[0])[0]);
  expect(line.pass().next()?.first?.turn).toBe(1);
  line.onServer("s", false);
  expect(line.asleep).toBe(true);
});
