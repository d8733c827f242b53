/**
 * Numbered messages of random lengths from one end of a virtual connection to the other, and the check
 * that each of them came once, whole and in its turn.
 */
import { Buffer } from "node:buffer";
import type { VirtualConnection } from "../../clients/fastway/mod.ts";
import type { Random } from "./random.ts";

export async function say(
  connection: VirtualConnection,
  count: number,
  random: Random,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    const message = Buffer.alloc(random.pick([4, 30, 400, 6000]), i & 255);
    message.writeUInt32LE(i, 0);
    await connection.send(message, { transfer: true });
  }
}

/** Throws where another message comes than the one that is due. */
export async function hear(connection: VirtualConnection, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const message = Buffer.from((await connection.receive())!);
    if (message.readUInt32LE(0) !== i || !message.subarray(4).every((byte) => byte === (i & 255))) {
      throw new Error(`message ${message.readUInt32LE(0)} where ${i} was due`);
    }
  }
}
