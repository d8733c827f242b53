/**
 * What one worker tells another, as records of a ring. A virtual connection between endpoints of two
 * workers is a route in each; what goes over it are the frames of the protocol themselves, commands
 * included, so that Connect, Accept, data and Close stay in the order in which they were written:
 *
 *   FRAMES   u32 side, u32 key low, u32 key high, u32 0, bytes
 *            for an endpoint of the receiver's. The bytes are its frames, one behind the other, and may
 *            end within one: then the next record goes on with it, and nothing comes between.
 *   OVER     u32 side, u32 key low, u32 key high, u32 0
 *            every virtual connection between the sender and that endpoint is over; a frame that has
 *            begun will not go on.
 *   DIAL     u32 endpoint low, u32 endpoint high, u32 server id, u32 client id, 24 bytes of nothing
 *            a server of the sender's dials a client of the receiver's, which answers by FRAMES. It is
 *            as large as its answer, so that answers never need more room than questions had.
 *   ASK      u32 endpoint low, u32 endpoint high, u32 connID, u32 is data, 8 bytes of nothing
 *            an endpoint of the sender's names a virtual connection that the sender does not have, but
 *            the receiver may; to be answered by
 *   ANSWER   the same, with u32 is known in the place of the first nothing
 *   LATE     u32 connID, u32 how many
 *            so many messages have come for a virtual connection that had ended meanwhile: whoever sent
 *            them gets a Close for each, as for any message that goes nowhere.
 *   RETURN   a connection for an snet session of the receiver's; see `handed-return.ts`
 *
 * A key names an endpoint: a client by its id, a server by its endpoint's number, because several
 * servers may have the same id.
 */
import type { FastwaySide } from "../protocol.ts";

export const FRAMES = 1;
export const OVER = 2;
export const DIAL = 3;
export const ASK = 4;
export const ANSWER = 5;
export const LATE = 6;
export const RETURN = 7;

/** Before the bytes of FRAMES, and all of OVER. */
export const KEY_BYTES = 16;

const WORD = 2 ** 32;

export function sideWord(side: FastwaySide): number {
  return side === "client" ? 0 : 1;
}

export function sideOf(word: number): FastwaySide {
  return word === 0 ? "client" : "server";
}

/** Numbers up to 2^53 as two words. */
export function lowWord(value: number): number {
  return value % WORD;
}

export function highWord(value: number): number {
  return Math.floor(value / WORD);
}

export function fromWords(low: number, high: number): number {
  return high * WORD + low;
}
