/** What the gateway may tell an endpoint; see wire/frames.ts. */
import { ARGUMENT_BYTES, DIAL, readU32 } from "./wire/mod.ts";

export interface Command {
  type: number;
  /** Arguments; 0 where there is none. */
  first: number;
  second: number;
}

/** Reads the body of a frame with the number 0. What it cannot be is told in words. */
export function readCommand(bytes: Uint8Array, from: number, to: number): Command | string {
  if (from === to) return "a command without a type";
  const type = bytes[from];
  const arguments_bytes = ARGUMENT_BYTES[type];
  if (arguments_bytes === undefined || type === DIAL) return `a command of type ${type}`;
  if (to - from - 1 < arguments_bytes) {
    return `a command of type ${type} without all its arguments`;
  }
  return {
    type,
    first: arguments_bytes >= 4 ? readU32(bytes, from + 1) : 0,
    second: arguments_bytes >= 8 ? readU32(bytes, from + 5) : 0,
  };
}
