/**
 * The plane and the model side by side: whatever a trial does, it does to both, waits until each peer
 * has as many frames as the model says, and compares them.
 */
import { Buffer } from "node:buffer";
import type { EndpointFacts } from "../../src/data/fastway/protocol.ts";
import { patience_ms, turn } from "../harness/deadline.ts";
import { ping } from "../harness/fastway-frames.ts";
import { difference, type FastwayModel, type ModelPeer } from "../harness/fastway-model.ts";
import type { FastwayPeer } from "../harness/fastway-peer.ts";
import type { Random } from "../harness/random.ts";
import { lifeOf, type PeerRig } from "./fastway-peer-rig.ts";

/** One end of the comparison and the other. */
export interface Actor {
  readonly peer: FastwayPeer;
  readonly model: ModelPeer;
  readonly facts: EndpointFacts;
  /** Frames that the model has had for it and that have been compared. */
  compared: number;
  /** What the model has been told that it says and that is not sent yet. */
  unsent: Buffer[];
  /** The rest of a frame whose beginning has been said. */
  tail: Buffer;
  /** What the plane has said of its end. */
  detail: string;
}

/** The worker of each {@link lifeOf}. */
export type Places = ReadonlyMap<number, number>;

/** Connects clients until each worker has had one: a client's id says which worker gave it. */
export async function learnPlaces(
  { rig, model, workers }: { rig: PeerRig; model: FastwayModel; workers: number },
): Promise<Places> {
  const places = new Map<number, number>();
  while (places.size < workers) {
    const client = await rig.client();
    const facts = await rig.facts(client);
    const worker = (facts.id - 1) % workers;
    places.set(lifeOf(facts), worker);
    client.destroy();
    await rig.over(facts);
    model.disconnect(model.connectClient(worker));
  }
  return places;
}

/** How bytes are sent. */
export interface Cutting {
  cut?: (bytes: Buffer) => Buffer[];
  /** Awaited after each piece. */
  between?: () => Promise<void>;
}

export class FastwayTrial {
  readonly model: FastwayModel;
  readonly actors = new Set<Actor>();
  /** What has been done, for whoever has to understand a failure. */
  readonly story: string[] = [];
  readonly #rig: PeerRig;
  readonly #places: Places;

  constructor({ rig, model, places = new Map() }: {
    rig: PeerRig;
    model: FastwayModel;
    places?: Places;
  }) {
    this.#rig = rig;
    this.model = model;
    this.#places = places;
  }

  async connectClient(): Promise<Actor> {
    const actor = await this.#join(
      await this.#rig.client(),
      ({ worker }) => this.model.connectClient(worker),
    );
    this.story.push(`${nameOf(actor)} connects`);
    return actor;
  }

  async connectServer(id: number): Promise<Actor> {
    const actor = await this.#join(
      await this.#rig.server(id),
      ({ worker }) => this.model.connectServer(id, worker),
    );
    this.story.push(`${nameOf(actor)} connects`);
    return actor;
  }

  /** Has the peer say something with the next {@link send} or {@link disconnect}. */
  say(actor: Actor, bytes: Buffer): void {
    this.model.receive(actor.model, bytes);
    actor.unsent.push(bytes);
  }

  /** Sends what is to be said, and a ping behind it so that it is known when all is done. */
  async send(actor: Actor, { cut = (bytes) => [bytes], between = turn }: Cutting = {}) {
    const { peer, model } = actor;
    // Of several workers each answers what is its own at once, so the echo would prove nothing.
    const can_ping = this.#places.size === 0 && model.over === null && model.rest.length === 0;
    if (can_ping) this.say(actor, ping());
    const bytes = Buffer.concat(actor.unsent.splice(0));
    this.story.push(
      `${nameOf(actor)} sends ${bytes.length} bytes: ${bytes.toString("hex", 0, 200)}`,
    );
    for (const piece of cut(bytes)) {
      peer.sendCarelessly(piece);
      await between();
    }
    if (model.over !== null) return await this.#leave(actor);
    await this.met();
    // What no answer tells of has left its worker with the echo, and is where it goes a turn later.
    if (this.#places.size > 0) {
      if (model.rest.length === 0) await peer.settled();
      await this.#turned();
    }
  }

  /** The peer goes away; in order, what it was to say comes first. */
  async disconnect(actor: Actor, how: "half-close" | "abort"): Promise<void> {
    const { peer, model } = actor;
    if (peer.frames.length > 0) throw new Error(`${nameOf(actor)} has frames that were not due`);
    const bytes = Buffer.concat(actor.unsent.splice(0));
    this.story.push(`${nameOf(actor)} leaves by ${how} after ${bytes.length} bytes`);
    if (how === "half-close") {
      if (bytes.length > 0) peer.sendCarelessly(bytes);
      peer.halfClose();
    } else peer.abort();
    this.model.disconnect(model);
    await this.#leave(actor);
  }

  /** Every peer has got exactly what the model says. */
  async met(): Promise<void> {
    for (const actor of this.actors) {
      const { peer, model } = actor;
      const due = model.expected.reduce((sum, group) => sum + group.length, 0);
      const late = await peer.reached(actor.compared + due).then(() => "", String);
      actor.compared += due;
      const found = difference(peer.frames, model.expected);
      if (found !== null) throw new Error(`${nameOf(actor)}: ${found} ${late}`);
    }
  }

  /** The operator ends an endpoint. */
  async kick(actor: Actor): Promise<void> {
    this.story.push(`${nameOf(actor)} is ended`);
    this.model.kick(actor.model);
    this.#rig.plane.end(actor.facts.endpoint, "kicked");
    await this.#leave(actor);
  }

  /** The operator ends every virtual connection. */
  async closeVirtual(): Promise<void> {
    this.story.push("all virtual connections are ended");
    this.model.closeVirtual();
    this.#rig.plane.closeVirtual();
    await this.met();
  }

  /** Whether dials are taken from now on. */
  async setServing(is_serving: boolean): Promise<void> {
    this.story.push(is_serving ? "serves" : "drains");
    this.model.is_serving = is_serving;
    this.#rig.plane.setServing(is_serving);
    // Orders are dealt with in turn, so one that answers says that this one has been.
    await this.#turned();
  }

  /** Everybody goes away. */
  async leave(random?: Random): Promise<void> {
    for (const actor of this.actors) {
      await this.disconnect(actor, random?.pick(["abort", "half-close"] as const) ?? "half-close");
    }
  }

  async #join(
    peer: FastwayPeer,
    connect: (on: { worker: number }) => ModelPeer,
  ): Promise<Actor> {
    await peer.settled();
    const facts = await this.#rig.facts(peer);
    const model = connect({ worker: this.#places.get(lifeOf(facts)) ?? 0 });
    if (facts.id !== model.id || facts.side !== model.side) {
      throw new Error(`${facts.side} ${facts.id} came instead of ${model.side} ${model.id}`);
    }
    const actor = {
      peer,
      model,
      facts,
      compared: 0,
      unsent: [],
      tail: Buffer.alloc(0),
      detail: "",
    };
    this.actors.add(actor);
    if (this.#places.size > 0) await this.#turned();
    return actor;
  }

  async #turned(): Promise<void> {
    if (!await this.#rig.plane.beat(patience_ms)) throw new Error("the plane does not turn");
  }

  async #leave(actor: Actor): Promise<void> {
    const { peer, model, facts } = actor;
    this.actors.delete(actor);
    const { reason, detail } = await this.#rig.over(facts);
    actor.detail = detail;
    if (reason !== model.over) {
      throw new Error(`${nameOf(actor)} is over by ${reason} (${detail}), not by ${model.over}`);
    }
    await peer.closed();
    await this.met();
    if (this.#places.size > 0) await this.#turned();
  }
}

function nameOf({ model: { side, id, worker } }: Actor): string {
  return `${side} ${id} (worker ${worker})`;
}
