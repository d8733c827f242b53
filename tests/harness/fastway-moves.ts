/** Frames that an endpoint of fastway may send in a given state of the model: sensible, odd, hostile. */
import { Buffer } from "node:buffer";
import { close, command, data, dial, frame, frameOfLength, ping } from "./fastway-frames.ts";
import type { FastwayModel, ModelPeer } from "./fastway-model.ts";
import type { Random } from "./random.ts";

const SERVER_IDS = [0, 1, 2, 7, 0xffff_ffff];

export function randomServerId(random: Random): number {
  return random.pick(SERVER_IDS);
}

type Move = (random: Random, model: FastwayModel, peer: ModelPeer) => Buffer;

/** Its name, what the reason has to say, and how it is made. */
export type Hostile = readonly [string, string, Move];

/** Mostly a few bytes, at times more than one read of the gateway, and none at all. */
function randomBody(random: Random, { packet_bytes_max }: FastwayModel): Buffer {
  const roll = random.next();
  if (roll < 0.1) return Buffer.alloc(0);
  if (roll < 0.9) return random.bytes(random.int(1, 120));
  if (roll < 0.99) return random.bytes(random.int(121, 6000));
  // Long ones are of one random byte: making that many random ones takes longer than carrying them.
  const bytes = random.int(6000, packet_bytes_max - 4);
  return Buffer.alloc(bytes, random.int(0, 255));
}

/**
 * An id that stands for something, by a chance of four in five, or any. Chosen in relation to what is
 * there, so that a seed does the same at the beginning of a gateway's life and late in it.
 */
function someRemote(random: Random, model: FastwayModel, peer: ModelPeer): number {
  const there = [...(peer.side === "client" ? model.servers : model.clients).keys()];
  if (there.length > 0 && random.next() < 0.8) return random.pick(there);
  if (peer.side === "client") return randomServerId(random);
  return (model.last_client_id + random.int(-3, 3)) >>> 0;
}

function ownId(random: Random, model: FastwayModel, peer: ModelPeer): number {
  return peer.virtual.size > 0 ? random.pick([...peer.virtual.keys()]) : unknownId(random, model);
}

/** One that was closed before, one that is still to be given, or one far away. */
function unknownId(random: Random, model: FastwayModel): number {
  for (;;) {
    const next = model.nextVirtualId();
    const id = random.pick([next, next + 1, next - random.int(1, 50), 0xffff_ffff]) >>> 0;
    if (id !== 0 && !model.virtual.has(id)) return id;
  }
}

function foreignId(random: Random, model: FastwayModel, peer: ModelPeer): number {
  const foreign = [...model.virtual.keys()].filter((id) => !peer.virtual.has(id));
  return foreign.length > 0 ? random.pick(foreign) : unknownId(random, model);
}

/** With its share of all moves. */
const moves: readonly (readonly [number, Move])[] = [
  [45, (random, model, peer) => data(ownId(random, model, peer), randomBody(random, model))],
  [20, (random, model, peer) => dial(someRemote(random, model, peer))],
  [12, (random, model, peer) => close(ownId(random, model, peer))],
  [4, (random, model) => data(unknownId(random, model), randomBody(random, model))],
  [4, (random, model) => close(unknownId(random, model))],
  [2, () => close(0)],
  [4, () => ping()],
  // What is behind the arguments does not matter.
  [2, (random) => command(5, ...Array.from({ length: random.int(1, 9) }, () => 9))],
  [2, (random, model, peer) => command(0, someRemote(random, model, peer), 77, 78)],
  [2, (random, model, peer) => command(4, ownId(random, model, peer), 79)],
];

/** What ends the endpoint that says it, each of them, and what the reason names. */
export const hostile: readonly Hostile[] = [
  ["Length 0", "Length 0", () => frameOfLength(0, 0, Buffer.alloc(0))],
  ["Length 1", "Length 1", () => frameOfLength(1, 0, Buffer.alloc(0))],
  ["Length 2", "Length 2", () => frameOfLength(2, 7, Buffer.alloc(3))],
  ["Length 3", "Length 3", () => frameOfLength(3, 1, Buffer.alloc(9))],
  ["Length 4 of ConnID 0", "Length 4", () => frameOfLength(4, 0, Buffer.alloc(0))],
  [
    "a Length above MaxPacket",
    "MaxPacket",
    (_, { packet_bytes_max }) => frameOfLength(packet_bytes_max + 1, 1, Buffer.alloc(5)),
  ],
  ["the greatest Length", "4294967295", () => frameOfLength(0xffff_ffff, 0, Buffer.alloc(0))],
  [
    "a Length that is negative to some",
    "2147483648",
    () => frameOfLength(0x8000_0000, 1, Buffer.alloc(0)),
  ],
  ["Accept", "Accept", () => command(1, 1, 1)],
  ["Connect", "Connect", () => command(2, 1, 1)],
  ["Refuse", "Refuse", () => command(3, 1)],
  ["type 6", "command 6", () => command(6)],
  ["type 7 with arguments", "command 7", () => command(7, 1, 2, 3)],
  ["type 128", "command 128", () => command(128, 1)],
  ["type 255", "command 255", () => command(255, 1)],
  ["Dial without an argument", "Dial with 0 bytes", () => command(0)],
  ["Dial with three bytes of one", "Dial with 3 bytes", () => frame(0, Buffer.from([0, 1, 0, 0]))],
  ["Close without an argument", "Close with 0 bytes", () => command(4)],
  ["Close with one byte of one", "Close with 1 byte", () => frame(0, Buffer.from([4, 1]))],
];

/** Needs somebody else's virtual connection; without one they end nobody. */
export const trespasses: readonly Hostile[] = [
  [
    "data on another's id",
    "somebody else's",
    (random, model, peer) => data(foreignId(random, model, peer), random.bytes(random.int(0, 40))),
  ],
  [
    "Close of another's id",
    "somebody else's",
    (random, model, peer) => close(foreignId(random, model, peer)),
  ],
];

const shares = moves.reduce((sum, [share]) => sum + share, 0);

/** `hostile_chance`: of a move that ends its endpoint. */
export function randomMove(
  random: Random,
  model: FastwayModel,
  peer: ModelPeer,
  hostile_chance: number,
): Buffer {
  if (random.next() < hostile_chance) {
    const [, , move] = random.pick(random.next() < 0.3 ? trespasses : hostile);
    return move(random, model, peer);
  }
  let roll = random.next() * shares;
  for (const [share, move] of moves) {
    roll -= share;
    if (roll < 0) return move(random, model, peer);
  }
  return ping();
}
