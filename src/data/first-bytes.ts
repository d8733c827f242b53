/** Reading what a peer sends first, before it is known what will read the rest. */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";

/**
 * Shows what has come to `look`, which answers how many of the bytes it is through with and sees the
 * rest again with more behind it, or null when it has seen enough. Then nobody reads the socket any
 * more: in that same step `look` has passed it on, the bytes included. `onEnd` is called instead if
 * the peer ends its side before that. How much may come is `look`'s to bound.
 */
export function readFirstBytes(
  socket: Socket,
  look: (bytes: Buffer) => number | null,
  onEnd: () => void,
): void {
  let held: Buffer = Buffer.alloc(0);
  const listen = () => {
    socket.on("data", onData);
    socket.on("end", onEarlyEnd);
  };
  const silence = () => {
    socket.off("data", onData);
    socket.off("end", onEarlyEnd);
  };
  const onData = (chunk: Buffer) => {
    const bytes = held.length === 0 ? chunk : Buffer.concat([held, chunk]);
    // First, because once `look` has passed the socket on, others listen to it.
    silence();
    const used = look(bytes);
    if (used === null) return;
    held = bytes.subarray(used);
    listen();
  };
  const onEarlyEnd = () => {
    silence();
    onEnd();
  };
  listen();
}
