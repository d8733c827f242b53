/** Random steps of a trial, which a seed repeats. */
import { Buffer } from "node:buffer";
import { randomMove, randomServerId } from "../harness/fastway-moves.ts";
import type { Random } from "../harness/random.ts";
import type { Actor, FastwayTrial } from "./fastway-trial.ts";

export interface RunOptions {
  trial: FastwayTrial;
  random: Random;
  steps: number;
  /** In one go. With one at a time the order of all answers is known on several workers too. */
  frames_max: number;
}

/** So many random steps by a few clients and servers; at the end all of them leave. */
export async function randomRun(options: RunOptions): Promise<void> {
  const { trial, random, steps } = options;
  for (let step = 0; step < steps; step++) {
    const actors = [...trial.actors];
    const roll = random.next();
    if (actors.length < 2 || (actors.length < 6 && roll < 0.2)) {
      const is_client = random.next() < 0.5;
      await (is_client ? trial.connectClient() : trial.connectServer(randomServerId(random)));
      continue;
    }
    const actor = random.pick(actors);
    if (roll > 0.995) await trial.closeVirtual();
    else if (roll > 0.985) await trial.kick(actor);
    else if (roll > 0.97) await trial.disconnect(actor, "abort");
    else if (roll > 0.94) {
      saySome(actor, options, 0);
      await trial.disconnect(actor, "half-close");
    } else {
      const drains = random.next() < 0.02;
      if (drains) await trial.setServing(false);
      saySome(actor, options, 0.02);
      await trial.send(actor, { cut: (bytes) => cutRandomly(bytes, random) });
      if (drains) await trial.setServing(true);
    }
  }
  await trial.leave(random);
}

/**
 * Some frames, each of which knows what the ones before have done. Of the last one the end may come
 * another time, when others have said something, or never.
 */
function saySome(
  actor: Actor,
  { trial, random, frames_max }: RunOptions,
  hostile_chance: number,
): void {
  trial.say(actor, actor.tail);
  const more = actor.tail.length > 0 && frames_max === 1 ? 0 : random.int(1, frames_max);
  actor.tail = Buffer.alloc(0);
  for (let left = more; left > 0 && actor.model.over === null; left--) {
    const frame = randomMove(random, trial.model, actor.model, hostile_chance);
    const cut = left === 1 && random.next() < 0.1 ? random.int(1, frame.length) : frame.length;
    actor.tail = frame.subarray(cut);
    trial.say(actor, frame.subarray(0, cut));
  }
}

/** One to three pieces. */
function cutRandomly(bytes: Buffer, random: Random): Buffer[] {
  const cuts = Array.from({ length: random.int(0, 2) }, () => random.int(0, bytes.length));
  const places = [0, ...cuts.sort((a, b) => a - b), bytes.length];
  return places.slice(1).map((to, i) => bytes.subarray(places[i], to))
    .filter((piece) => piece.length > 0);
}
