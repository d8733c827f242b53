/** Comparing what somebody has sent with what only the right one knows. */
import { timingSafeEqual } from "node:crypto";

const utf8 = new TextEncoder();

/** Whether the two are the same, in a time that does not depend on where they first differ. */
export function isSameSecret(given: string, ours: string): boolean {
  const [theirs, wanted] = [given, ours].map((text) => utf8.encode(text));
  const padded = new Uint8Array(wanted.length);
  padded.set(theirs.subarray(0, wanted.length));
  return timingSafeEqual(padded, wanted) && theirs.length === wanted.length;
}
