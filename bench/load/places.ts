/** Opens the TCP connections of one end. */
import { acceptFrom, connectTo, listenOn, setPatience } from "./libc.ts";
import { tell } from "./program.ts";
import type { EndPlace } from "./wire.ts";

/** How long all connections of an end may take to appear, milliseconds. */
const APPEAR_MS = 10_000;

export function openConnections(place: EndPlace): number[] {
  if ("connect" in place) {
    return place.connect.map(({ port, opening }) => connectTo(port, opening));
  }
  const listener = listenOn(place.accept.port);
  setPatience(listener, APPEAR_MS);
  tell({ event: "listening" });
  const accepted: number[] = [];
  while (accepted.length < place.accept.count) accepted.push(acceptFrom(listener));
  return accepted;
}
