/** A session over the connections that it has one after the other. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { PieceList } from "../../../../../src/data/fastway/pieces.ts";
import { STREAM_OVER, WOULD_BLOCK } from "../../../../../src/data/fastway/stream.ts";
import { announcedRandom } from "../../../../harness/random.ts";
import { FakeArrival, opened, read, returned, returning, SnetRig, write } from "./snet-rig.ts";

const nothing = new PieceList();

test("the kernel is kept from taking more than can be sent again", () => {
  const rig = new SnetRig({ buffer_bytes: 4096 });
  const { peer, stream, socket } = opened(rig);
  expect(socket.limit_bytes).toBe(5120);
  expect(write(stream, Buffer.alloc(5000, 1))).toBe(4096);
  // The kernel has refused nothing, so it is asked to tell when the peer has acknowledged.
  expect([socket.asked, stream.unsent_bytes]).toEqual([1, 0]);
  expect(write(stream, "more")).toBe(WOULD_BLOCK);
  expect(peer.decode(socket.receive()).length).toBe(4096);
  expect(write(stream, "more")).toBe(4);
  expect(peer.decode(socket.receive()).toString()).toBe("more");
});

test("a kernel that takes more than the ring has is looked at from time to time", () => {
  const rig = new SnetRig({ buffer_bytes: 4096 });
  const { stream, socket, listener } = opened(rig);
  write(stream, Buffer.alloc(5000));
  for (let i = 0; i < 50; i++) {
    write(stream, "more");
    write(stream, "more");
    socket.acknowledge(0);
  }
  expect(socket.asked).toBe(16);
  const before = listener.ready;
  rig.pass(100);
  expect(listener.ready).toBe(before + 1);
  socket.acknowledge(1000);
  expect(write(stream, Buffer.alloc(2000))).toBe(1000);
});

test("a kernel that counts more than the bytes, as for a Unix socket, only makes the writer wait", () => {
  const rig = new SnetRig({ buffer_bytes: 4096 });
  const { peer, stream, socket } = opened(rig);
  socket.receive();
  socket.booked_beside = 10_000;
  expect(write(stream, Buffer.alloc(3000))).toBe(3000);
  expect(write(stream, Buffer.alloc(3000))).toBe(1096);
  expect(write(stream, "x")).toBe(WOULD_BLOCK);
  peer.decode(socket.receive());
  expect(write(stream, "x")).toBe(1);
  expect(peer.decode(socket.receive()).toString()).toBe("x");
});

test("what the kernel has no room for waits in the ring and goes out when there is some", () => {
  const rig = new SnetRig({ buffer_bytes: 4096 });
  const { peer, stream, socket, listener } = opened(rig);
  socket.receive();
  socket.room = 1000;
  expect(write(stream, Buffer.alloc(3000, 7))).toBe(3000);
  expect([stream.unsent_bytes, socket.asked]).toEqual([2000, 0]);
  const before = listener.ready;
  socket.acknowledge(1000);
  socket.acknowledge(1000);
  expect([stream.unsent_bytes, listener.ready]).toEqual([0, before + 2]);
  expect(peer.decode(socket.receive()).equals(Buffer.alloc(3000, 7))).toBe(true);
});

test("a session waits for its peer, takes nothing meanwhile, and is over in its time", () => {
  const rig = new SnetRig({ wait_timeout_ms: 5000 });
  const { peer, stream, socket, listener } = opened(rig);
  socket.finish();
  expect(read(stream).length).toBe(0);
  expect([listener.heard, socket.is_closed]).toEqual([["away"], true]);
  expect(write(stream, "later")).toBe(WOULD_BLOCK);
  rig.pass(4900);
  expect(stream.read(nothing)).toBe(WOULD_BLOCK);
  const before = listener.ready;
  rig.pass(200);
  expect(listener.ready).toBe(before + 1);
  expect([stream.read(nothing), stream.write(nothing)]).toEqual([STREAM_OVER, STREAM_OVER]);
  expect(rig.sessions.count).toBe(0);
  const { arrival, answer } = returning(rig, peer);
  expect(answer.equals(Buffer.alloc(24))).toBe(true);
  expect(arrival.refusal).toMatch(/session 1, which is not there/);
});

test("who comes back in time has all of its time again", () => {
  const rig = new SnetRig({ wait_timeout_ms: 5000 });
  const { peer, stream, socket, listener } = opened(rig);
  socket.finish();
  read(stream);
  rig.pass(4900);
  const second = returned(rig, peer);
  rig.pass(60_000);
  expect(listener.heard).toEqual(["away", "back 192.0.2.7:2"]);
  second.finish();
  read(stream);
  rig.pass(4900);
  returned(rig, peer, 3);
  expect(rig.sessions.count).toBe(1);
});

test("a session that was idle waits as if it was cut, and its peer comes back", () => {
  const rig = new SnetRig();
  const { peer, stream, socket, listener } = opened(rig);
  expect([stream.dropConnection(), socket.is_closed]).toEqual([true, true]);
  // Nothing is idle that is away already.
  expect(stream.dropConnection()).toBe(true);
  expect(listener.heard).toEqual(["away"]);
  const second = returned(rig, peer);
  second.send(peer.encode(Buffer.from("here")));
  expect(read(stream).toString()).toBe("here");
  stream.close();
  expect(stream.dropConnection()).toBe(false);
});

test("the writer that finds the cut loses nothing of what has come before it", () => {
  const rig = new SnetRig();
  const { peer, stream, socket, listener } = opened(rig);
  socket.send(peer.encode(Buffer.from("the last words")));
  socket.break();
  const before = listener.ready;
  expect(write(stream, "an answer")).toBe(9);
  expect(write(stream, "another")).toBe(WOULD_BLOCK);
  expect([listener.ready, listener.heard]).toEqual([before + 1, []]);
  expect(read(stream).toString()).toBe("the last words");
  expect(listener.heard).toEqual(["away"]);
  const second = returned(rig, peer);
  expect(peer.decode(second.receive()).toString()).toBe("an answer");
});

test("a return while the old connection is open takes over at once and closes it", () => {
  const rig = new SnetRig();
  const { peer, stream, socket, listener } = opened(rig);
  write(stream, "never arrives");
  const second = returned(rig, peer);
  expect([socket.is_closed, listener.heard]).toEqual([true, ["back 192.0.2.7:2"]]);
  expect(peer.decode(second.receive()).toString()).toBe("never arrives");
  second.send(peer.encode(Buffer.from("on")));
  expect(read(stream).toString()).toBe("on");
});

test("a return that is not proven leaves the open connection as it was", () => {
  const rig = new SnetRig({ buffer_bytes: 4096 });
  const { peer, stream, socket, listener } = opened(rig);
  const request = peer.returnRequest();
  const { arrival } = returning(rig, peer);
  socket.send(peer.encode(Buffer.from("goes on")));
  expect(read(stream).toString()).toBe("goes on");
  // What the return would want sent again is kept for as long as it may be proven.
  expect(write(stream, Buffer.alloc(5000))).toBe(4096);
  socket.receive();
  expect(write(stream, "x")).toBe(WOULD_BLOCK);
  const before = listener.ready;
  arrival.socket.send(Buffer.alloc(16));
  expect([arrival.socket.is_closed, listener.ready]).toEqual([true, before + 1]);
  expect(write(stream, "x")).toBe(1);
  expect([socket.is_closed, listener.heard]).toEqual([false, []]);
  // The same request again is that of somebody who has listened: it is behind what has come since.
  const replayed = new FakeArrival(3);
  rig.stage.enter(replayed);
  replayed.socket.send(request);
  expect(replayed.refusal).toMatch(/written 0 bytes and 7 have come/);
});

test("what came on the old connection after the return was answered does not come twice", () => {
  const rig = new SnetRig();
  const { peer, stream, socket } = opened(rig);
  const { socket: second, answer } = returning(rig, peer);
  const late = Buffer.alloc(40_000, "late");
  socket.send(peer.encode(late));
  expect(read(stream).equals(late)).toBe(true);
  second.send(peer.resume(answer));
  second.send(peer.encode(Buffer.from("behind")));
  expect(read(stream).toString()).toBe("behind");
});

test("of several returns the first that is proven has the session, and the next may take it", () => {
  const rig = new SnetRig();
  const { peer, stream } = opened(rig);
  write(stream, "wanted by all");
  const [one, two] = [returning(rig, peer, 2), returning(rig, peer, 3)];
  two.socket.send(peer.resume(two.answer));
  expect(two.arrival.handed_over).toBe(true);
  expect(two.socket.receive().length).toBe(13);
  one.socket.send(peer.resume(one.answer));
  expect([one.arrival.handed_over, two.socket.is_closed]).toEqual([true, true]);
  expect(peer.decode(one.socket.receive()).toString()).toBe("wanted by all");
});

test("a session that was ended is not there for a return, nor for one that is under way", () => {
  const rig = new SnetRig();
  const { peer, stream, socket, listener } = opened(rig);
  const { arrival, answer } = returning(rig, peer);
  stream.close();
  expect([socket.is_closed, rig.sessions.count]).toEqual([true, 0]);
  arrival.socket.send(peer.resume(answer));
  expect(arrival.refusal).toBe("snet_unknown: return to session 1, which has ended");
  expect(returning(rig, peer, 3).answer.equals(Buffer.alloc(24))).toBe(true);
  expect([stream.read(nothing), listener.heard]).toEqual([STREAM_OVER, []]);
});

test("a session keeps the rules that it began with", () => {
  const rig = new SnetRig({ buffer_bytes: 4096, encrypts: false });
  const { stream } = opened(rig);
  rig.settings.buffer_bytes = 8192;
  rig.settings.encrypts = true;
  expect(write(stream, Buffer.alloc(9000))).toBe(4096);
  const later = opened(rig);
  expect(write(later.stream, Buffer.alloc(9000))).toBe(8192);
});

test("cuts at random moments, and all that was said arrives once and in order", () => {
  const random = announcedRandom("snet sessions in memory");
  for (let run = 0; run < 150; run++) {
    const buffer_bytes = random.pick([1024, 4096, 10_000, 65_536]);
    const rig = new SnetRig({ encrypts: random.next() < 0.5, buffer_bytes });
    const { peer, stream, socket: first } = opened(rig);
    let socket = first;
    socket.room = random.int(1, 2 * buffer_bytes);
    const said: Buffer[] = [];
    const heard: Buffer[] = [];
    const asked: Buffer[] = [];
    const answered: Buffer[] = [];
    const comeBack = (port: number) => {
      socket = returned(rig, peer, port);
      // Of what is sent again the kernel takes all at once here, and then it is as slow as before.
      socket.room = random.int(1, 2 * buffer_bytes);
    };
    for (let step = 0; step < 60; step++) {
      const choice = random.int(0, 9);
      if (choice < 4) {
        const bytes = random.bytes(random.int(1, 3000));
        const taken = write(stream, bytes);
        if (taken > 0) said.push(bytes.subarray(0, taken));
      } else if (choice < 6) {
        const wire = socket.receive();
        heard.push(peer.decode(wire));
        socket.acknowledge(0);
        socket.room += wire.length;
        socket.acknowledge(0);
      } else if (choice < 8) {
        const bytes = random.bytes(random.int(1, 3000));
        asked.push(bytes);
        socket.send(peer.encode(bytes));
        if (random.next() < 0.7) answered.push(read(stream));
      } else if (choice === 8) {
        // What was on its way to the gateway is lost, or some of it is; a peer reads to the end.
        if (random.next() < 0.5) answered.push(read(stream));
        if (random.next() < 0.5) socket.break();
        else socket.finish();
        if (random.next() < 0.7) answered.push(read(stream));
        if (random.next() < 0.5) heard.push(peer.decode(socket.receive()));
        comeBack(100 + step);
      } else {
        comeBack(100 + step);
      }
    }
    for (let left = 1; left > 0;) {
      const wire = socket.receive();
      left = wire.length;
      heard.push(peer.decode(wire));
      socket.room = Infinity;
      socket.acknowledge(0);
    }
    answered.push(read(stream));
    expect(Buffer.concat(heard).equals(Buffer.concat(said))).toBe(true);
    expect(Buffer.concat(answered).equals(Buffer.concat(asked))).toBe(true);
  }
});
