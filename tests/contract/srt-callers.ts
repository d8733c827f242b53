/** Callers with stream ids: ends of sessions, and all who are at a named stream. */
import { expect } from "bun:test";
import { createHash } from "node:crypto";
import type { PlaneEvent, StreamState } from "../../src/data/plane.ts";
import { formatStreamId } from "../../src/data/srt/stream-id.ts";
import type { Random } from "../harness/random.ts";
import { type Rig, timePasses } from "./rig.ts";
import type { SrtDial, SrtPeer } from "./srt-peers.ts";

export const message_bytes = 1316;
/** A busy machine stalls for longer than the default 120 ms, and live mode drops then. */
export const calm_latency_ms = 500;

export type SrtRig = Rig<SrtPeer>;

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** A caller who is turned away, and who may or may not have seen that it was connected. */
export async function turnedAway(rig: SrtRig, dial: SrtDial): Promise<void> {
  const peer = await rig.peers!.connect(dial).catch(() => null);
  await peer?.turnedAway();
  expect(peer?.received_bytes ?? 0).toBe(0);
}

/** Comes to a session by its stream id. */
export function joinById(
  rig: SrtRig,
  { port, session_id, u, m = "request", ...dial }: Omit<SrtDial, "stream_id"> & {
    session_id: string;
    u?: string;
    m?: "publish" | "request" | "bidirectional";
  },
): Promise<SrtPeer> {
  const stream_id = formatStreamId({ s: session_id, u, m });
  return rig.peers!.connect({ port: rig.plane.publicPort(port), stream_id, ...dial });
}

/** A word each way. */
export async function talk(client: SrtPeer, server: SrtPeer): Promise<void> {
  const [at_client, at_server] = [client.received_bytes, server.received_bytes];
  client.message("up");
  server.message("down");
  await Promise.all([server.reached(at_server + 2), client.reached(at_client + 4)]);
  expect(server.text()).toEndWith("up");
  expect(client.text()).toEndWith("down");
}

/** All callers of a stream, with the digest of what its publishers have sent. */
export class Studio {
  readonly rig: SrtRig;
  readonly name: string;
  readonly #more: Partial<SrtDial>;
  readonly #hash = createHash("sha256");
  readonly #random: Random;
  sent_bytes = 0;

  constructor(
    { rig, name, random, ...more }:
      & { rig: SrtRig; name: string; random: Random }
      & Partial<SrtDial>,
  ) {
    this.rig = rig;
    this.name = name;
    this.#random = random;
    this.#more = more;
  }

  dial(m: "publish" | "request", more: Partial<SrtDial> & { key?: string; u?: string } = {}) {
    const { key, u, ...dial } = more;
    return {
      port: this.rig.shared_ports[0],
      latency_ms: calm_latency_ms,
      stream_id: formatStreamId({ r: this.name, u, key, m }),
      ...this.#more,
      ...dial,
    };
  }

  async publish(more: Parameters<Studio["dial"]>[1] = {}): Promise<SrtPeer> {
    const peer = await this.rig.peers!.connect(this.dial("publish", more));
    await this.rig.streamEvent("publishing", this.name);
    return peer;
  }

  async view(more: Parameters<Studio["dial"]>[1] = {}): Promise<SrtPeer> {
    const peer = await this.rig.peers!.connect(this.dial("request", more));
    await this.rig.streamEvent("viewing", this.name);
    return peer;
  }

  /** Sends so many messages at some 20 Mbit/s, which a loopback carries without a thought. */
  async pour(publisher: SrtPeer, messages: number, rest_ms = 8): Promise<void> {
    for (let at = 0; at < messages; at += 16) {
      const bytes = this.#random.bytes(Math.min(16, messages - at) * message_bytes);
      this.#hash.update(bytes);
      this.sent_bytes += bytes.length;
      await publisher.write(bytes);
      await timePasses(rest_ms);
    }
  }

  /** Pours until something has come true. */
  async pourUntil(
    publisher: SrtPeer,
    happened: Promise<unknown>,
    rest_ms?: number,
  ): Promise<void> {
    let waiting = true;
    const stop = () => {
      waiting = false;
    };
    happened.then(stop, stop);
    while (waiting) await this.pour(publisher, 32, rest_ms);
    await happened;
  }

  digest(): string {
    return this.#hash.copy().digest("hex");
  }

  async gotAll(viewer: SrtPeer): Promise<void> {
    await viewer.reached(this.sent_bytes);
    expect(viewer.digest()).toBe(this.digest());
    expect(viewer.message_lengths.every((length) => length === message_bytes)).toBe(true);
  }

  /** The next look at the stream that is like this. */
  look(label: string, matches: (state: StreamState) => boolean): Promise<StreamState> {
    const find = (event: PlaneEvent) =>
      event.type === "streams"
        ? event.states.find((state) => state.name === this.name && matches(state))
        : undefined;
    return this.rig.events.upcoming(label, (event) => find(event) !== undefined)
      .then((event) => find(event)!);
  }

  /** Ends everybody and waits until the plane has said so. */
  async clear(peers: { publisher?: SrtPeer; viewers?: SrtPeer[] }): Promise<void> {
    peers.publisher?.destroy();
    if (peers.publisher) await this.rig.streamEvent("publish_stop", this.name);
    for (const viewer of peers.viewers ?? []) {
      viewer.destroy();
      await this.rig.streamEvent("view_stop", this.name);
    }
  }
}
