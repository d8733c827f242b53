/** The handshakes of snet, cut at every byte, and everything that they refuse. */
import { expect, test } from "bun:test";
import { Buffer } from "node:buffer";
import { SnetPeer } from "../../../../harness/snet-peer.ts";
import { FakeArrival, opened, read, SnetRig, write } from "./snet-rig.ts";

const zeros = Buffer.alloc(24);

test.each([true, false])(
  "a new session, each message cut in two at every byte; encrypted: %p",
  (encrypts) => {
    const message_bytes = [9, 16];
    for (const [message, bytes] of message_bytes.entries()) {
      for (let cut = 0; cut <= bytes; cut++) {
        const rig = new SnetRig({ encrypts });
        const peer = new SnetPeer({ encrypts });
        const arrival = new FakeArrival();
        rig.stage.enter(arrival);
        const send = (whole: Buffer, cut_at: number) => {
          arrival.socket.send(whole.subarray(0, cut_at));
          arrival.socket.send(whole.subarray(cut_at));
        };
        send(peer.hello(), message === 0 ? cut : 9);
        const answer = arrival.socket.receive();
        expect(answer.length).toBe(24);
        const proof = Buffer.concat([peer.prove(answer), peer.encode(Buffer.from("behind"))]);
        expect(rig.passed).toEqual([]);
        send(proof, message === 1 ? cut : 16);
        expect(peer.id).toBe(1n);
        expect(rig.passed).toEqual([arrival]);
        expect(arrival.transport).toBe("snet");
        // What is behind the handshake has been left where it was.
        expect(read(arrival.stream).toString()).toBe("behind");
        write(arrival.stream, "answer");
        expect(peer.decode(arrival.socket.receive()).toString()).toBe("answer");
      }
    }
  },
);

test("a message that comes byte by byte, and all of a return in one piece", () => {
  const rig = new SnetRig();
  const { peer, stream, socket, listener } = opened(rig);
  socket.finish();
  expect(read(stream).length).toBe(0);
  expect(listener.heard).toEqual(["away"]);
  const back = new FakeArrival(2);
  rig.stage.enter(back);
  for (const byte of peer.returnRequest()) back.socket.send(Buffer.of(byte));
  const answer = back.socket.receive();
  expect(answer.length).toBe(24);
  for (const byte of peer.resume(answer)) back.socket.send(Buffer.of(byte));
  expect(listener.heard).toEqual(["away", "back 192.0.2.7:2"]);
  expect(back.handed_over).toBe(true);

  back.socket.finish();
  read(stream);
  const again = new FakeArrival(3);
  again.socket.send(peer.returnRequest());
  rig.stage.enter(again);
  again.socket.send(peer.resume(again.socket.receive()));
  write(stream, "still here");
  expect(peer.decode(again.socket.receive()).toString()).toBe("still here");
});

test("a return's messages, each cut in two at every byte, and nothing lost", () => {
  for (const [message, bytes] of [41, 16].entries()) {
    for (let cut = 0; cut <= bytes; cut++) {
      const rig = new SnetRig();
      const { peer, stream, socket } = opened(rig);
      write(stream, "lost on its way");
      socket.finish();
      read(stream);
      peer.encode(Buffer.from("sent into nothing"));
      const back = new FakeArrival(2);
      rig.stage.enter(back);
      const send = (whole: Buffer, cut_at: number) => {
        back.socket.send(whole.subarray(0, cut_at));
        back.socket.send(whole.subarray(cut_at));
      };
      send(peer.returnRequest(), message === 0 ? cut : 41);
      const answer = back.socket.receive();
      expect([answer.readBigUInt64LE(0), answer.readBigUInt64LE(8)]).toEqual([15n, 0n]);
      send(peer.resume(answer), message === 1 ? cut : 16);
      expect(read(stream).toString()).toBe("sent into nothing");
      expect(peer.decode(back.socket.receive()).toString()).toBe("lost on its way");
    }
  }
});

test("what is no handshake is closed without a word", () => {
  const rig = new SnetRig();
  const sent: [Buffer, RegExp][] = [
    [Buffer.of(0x01), /^snet_error: first byte 0x01/],
    [Buffer.from("GET / HTTP/1.1\r\n\r\n"), /^snet_error: first byte 0x47/],
    [Buffer.alloc(9), /^snet_error: a public key of 0$/],
  ];
  for (const [bytes, refusal] of sent) {
    const arrival = new FakeArrival();
    rig.stage.enter(arrival);
    arrival.socket.send(bytes);
    expect(arrival.refusal).toMatch(refusal);
    expect(arrival.socket.is_closed).toBe(true);
    expect(arrival.socket.receive().length).toBe(0);
  }
  expect([rig.sessions.count, rig.passed]).toEqual([0, []]);
});

test("a handshake ends where its connection does", () => {
  const rig = new SnetRig();
  const peer = new SnetPeer({ encrypts: true });
  for (const bytes of [Buffer.alloc(0), peer.hello().subarray(0, 5), peer.hello()]) {
    const arrival = new FakeArrival();
    rig.stage.enter(arrival);
    arrival.socket.send(bytes);
    arrival.socket.finish();
    expect(arrival.refusal).toBe("snet_error: the connection ended in the snet handshake");
  }
  const broken = new FakeArrival();
  rig.stage.enter(broken);
  broken.socket.room = 0;
  broken.socket.send(peer.hello());
  expect(broken.refusal).toBe("snet_error: the connection broke in the snet handshake");
});

test("a handshake and a return that stall are over in their time, and the session lives", () => {
  const rig = new SnetRig();
  const stalled = new FakeArrival();
  rig.stage.enter(stalled);
  stalled.socket.send(Buffer.of(0));
  stalled.overdue();
  expect(stalled.refusal).toMatch(/^snet_error: no complete snet handshake within 1000 ms/);

  const { peer, stream, socket } = opened(rig);
  socket.finish();
  read(stream);
  const back = new FakeArrival(2);
  rig.stage.enter(back);
  back.socket.send(peer.returnRequest());
  back.overdue();
  expect([back.socket.is_closed, rig.sessions.count]).toEqual([true, 1]);
  const again = new FakeArrival(3);
  rig.stage.enter(again);
  again.socket.send(peer.returnRequest());
  again.socket.send(peer.resume(again.socket.receive()));
  expect(again.handed_over).toBe(true);
});

test("a wrong proof makes no session, and its number is not given again", () => {
  const rig = new SnetRig();
  const peer = new SnetPeer({ encrypts: true });
  const arrival = new FakeArrival();
  rig.stage.enter(arrival);
  arrival.socket.send(peer.hello());
  const proof = peer.prove(arrival.socket.receive());
  proof[15] ^= 1;
  arrival.socket.send(proof);
  expect(arrival.refusal).toBe("snet_error: a wrong answer to the challenge");
  expect([arrival.socket.is_closed, arrival.socket.receive().length]).toEqual([true, 0]);
  expect([rig.sessions.count, rig.passed.length]).toEqual([0, 0]);
  expect(opened(rig).peer.id).toBe(2n);
});

test("while the gateway drains nobody new is taken, and who is known comes back", () => {
  const rig = new SnetRig();
  const { peer, stream, socket } = opened(rig);
  socket.finish();
  read(stream);
  rig.is_serving = false;
  const arrival = new FakeArrival();
  rig.stage.enter(arrival);
  arrival.socket.send(new SnetPeer({ encrypts: true }).hello());
  expect(arrival.refusal).toMatch(/^draining: /);
  const back = new FakeArrival(2);
  rig.stage.enter(back);
  back.socket.send(peer.returnRequest());
  back.socket.send(peer.resume(back.socket.receive()));
  expect(back.handed_over).toBe(true);
});

test("a return is refused for each reason by 24 zero bytes, and the session survives", () => {
  const rig = new SnetRig({ buffer_bytes: 4096 });
  const { peer, stream, socket } = opened(rig);
  socket.send(peer.encode(Buffer.from("abc")));
  expect(read(stream).toString()).toBe("abc");
  // All of it acknowledged, none of it read by the peer.
  for (let i = 0; i < 4; i++) {
    expect(write(stream, Buffer.alloc(1025, i))).toBe(1025);
    socket.receive();
  }
  socket.finish();
  read(stream);
  const refused: [string, Parameters<SnetPeer["returnRequest"]>[0], RegExp][] = [
    ["a session that is not there", { id: 2n, read: 4n }, /session 2, which is not there/],
    ["number 0", { id: 0n, read: 4n }, /session 0, which is not there/],
    ["a number of 64 bits", { id: (1n << 32n) + 1n, read: 4n }, /which is not there/],
    ["another key", { key: Buffer.alloc(8), read: 4n }, /with a wrong proof/],
    ["less written than has come", { written: 2n, read: 4n }, /written 2 bytes and 3 have come/],
    ["more read than was written", { read: 4101n }, /read 4101 bytes and 4100 were written/],
    ["counts of 2^62", { written: 1n << 62n, read: 1n << 62n }, /and 4100 were written/],
    ["the greatest counts", { written: (1n << 64n) - 1n, read: (1n << 64n) - 1n }, /were written/],
    ["one byte more than is kept", { read: 3n }, /lacks 4097 bytes and 4096 are kept/],
  ];
  for (const [what, request, refusal] of refused) {
    const back = new FakeArrival(2);
    rig.stage.enter(back);
    back.socket.send(peer.returnRequest(request));
    expect([what, back.socket.receive().equals(zeros)]).toEqual([what, true]);
    expect(back.refusal).toMatch(refusal);
    expect(back.socket.is_closed).toBe(true);
  }
  const wrong = new FakeArrival(3);
  rig.stage.enter(wrong);
  wrong.socket.send(peer.returnRequest({ read: 4n }));
  wrong.socket.receive();
  wrong.socket.send(Buffer.alloc(16));
  expect([wrong.socket.is_closed, wrong.socket.receive().length]).toEqual([true, 0]);
  expect(wrong.refusal).toBe("snet_error: a wrong answer to the challenge");

  // Exactly what is kept is lacking, and what the peer claims to have is anything.
  const back = new FakeArrival(4);
  rig.stage.enter(back);
  back.socket.send(peer.returnRequest({ read: 4n, written: 1n << 62n }));
  const answer = back.socket.receive();
  expect([answer.readBigUInt64LE(0), answer.readBigUInt64LE(8)]).toEqual([4100n, 3n]);
  back.socket.send(peer.answerTo(answer.subarray(16)));
  const again = back.socket.receive();
  expect(again.length).toBe(4096);
  const plain = Buffer.concat([0, 1, 2, 3].map((value) => Buffer.alloc(1025, value)));
  peer.decode(Buffer.alloc(4));
  expect(peer.decode(again).equals(plain.subarray(4))).toBe(true);
  // The rest of the claim is simply what comes next.
  back.socket.send(peer.encode(Buffer.from("def")));
  expect(read(stream).toString()).toBe("def");
});
