/** The named streams of the configuration: who may come to which, and a look at all of them. */
import { isSameSecret } from "../secret.ts";
import { Deadline } from "../timer-wheel.ts";
import type { SrtConnection } from "./connection.ts";
import type { SrtContext } from "./context.ts";
import { Stream, type StreamRefusal } from "./stream.ts";
import type { StreamStreamId } from "./stream-id.ts";

/** As often as telemetry. */
const LOOK_MS = 1000;

export class Streams {
  readonly #context: SrtContext;
  readonly #streams: ReadonlyMap<string, Stream>;
  readonly #due = new Deadline(() => this.#look());
  /** Who was not empty at the last look, so that an end is told as well. */
  readonly #busy = new Set<Stream>();

  constructor({ context }: { context: SrtContext }) {
    this.#context = context;
    const { settings, passphrases } = context;
    this.#streams = new Map(
      settings.streams.map((settings) => [settings.name, new Stream({ context, settings })]),
    );
    for (const { name, port, passphrase } of settings.streams) {
      // With a port of its own the listener has it.
      if (port === 0 && passphrase !== "") passphrases.set("stream", name, passphrase);
    }
  }

  has(name: string): boolean {
    return this.#streams.has(name);
  }

  /** Lets a proven connection in, or says why not; the caller closes it then. */
  join(
    connection: SrtConnection,
    claim: StreamStreamId,
    /** The stream whose own port it came to; null on a shared one. */
    { own_port_of }: { own_port_of: string | null },
  ): StreamRefusal | null {
    const stream = this.#streams.get(claim.name);
    const here = stream && (stream.settings.port === 0 ? null : claim.name) === own_port_of;
    const wanted = claim.mode === "publish"
      ? stream?.settings.publish_key
      : stream?.settings.read_key;
    // Compared in any case, so that a name that exists takes no longer than one that does not.
    const fits = isSameSecret(claim.key, wanted ?? "") || wanted === "";
    if (!stream || !here || !fits) {
      const detail = `no stream ${
        JSON.stringify(claim.name.slice(0, 64))
      } for this key on this port`;
      return { status: "stream_denied", detail };
    }
    const refusal = claim.mode === "publish"
      ? stream.publish(connection, claim.user)
      : stream.view(connection, claim.user);
    const { wheel, now_ms } = this.#context;
    if (!this.#due.set) wheel.schedule(this.#due, now_ms + LOOK_MS);
    return refusal;
  }

  /** Ends whoever comes from where nobody may come from now. */
  dropBanned(): void {
    for (const stream of this.#streams.values()) stream.dropBanned();
  }

  close(): void {
    this.#context.wheel.cancel(this.#due);
    for (const stream of this.#streams.values()) stream.close();
  }

  #look(): void {
    const states = [];
    for (const stream of this.#streams.values()) {
      if (stream.empty && !this.#busy.delete(stream)) continue;
      if (!stream.empty) this.#busy.add(stream);
      states.push(stream.look());
    }
    const { wheel, now_ms } = this.#context;
    if (states.length > 0) {
      this.#context.event({ type: "streams", states });
      wheel.schedule(this.#due, now_ms + LOOK_MS);
    }
  }
}
