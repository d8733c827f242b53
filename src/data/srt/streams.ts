/** The named streams of the configuration: who may come to which, and a look at all of them. */
import { isDeepStrictEqual } from "node:util";
import { isSameSecret } from "../secret.ts";
import { Deadline } from "../timer-wheel.ts";
import type { SrtConnection } from "./connection.ts";
import type { SrtContext } from "./context.ts";
import type { StreamSettings } from "../worker-protocol.ts";
import { PassphrasesError } from "./passphrases.ts";
import { Stream, type StreamRefusal } from "./stream.ts";
import type { StreamStreamId } from "./stream-id.ts";

/** As often as telemetry. */
const LOOK_MS = 1000;

export class Streams {
  readonly #context: SrtContext;
  readonly #streams = new Map<string, Stream>();
  readonly #due = new Deadline(() => this.#look());
  /** Who was not empty at the last look, so that an end is told as well. */
  readonly #busy = new Set<Stream>();

  constructor({ context }: { context: SrtContext }) {
    this.#context = context;
    this.apply();
  }

  /** Makes the streams what the settings say; those that stay as they are notice nothing. */
  apply(): void {
    const wanted = new Map(this.#context.settings.streams.map((one) => [one.name, one]));
    for (const [name, stream] of this.#streams) {
      if (!wanted.has(name)) this.#remove(name, stream);
    }
    for (const [name, settings] of wanted) {
      const stream = this.#streams.get(name);
      if (stream && isDeepStrictEqual(stream.settings, settings)) continue;
      const refused = this.#lock(settings, stream?.settings);
      if (refused !== null) {
        if (stream) this.#remove(name, stream);
        const { port } = settings;
        this.#context.event({ type: "stream_service", name, port, error: refused });
      } else if (stream) {
        stream.apply(settings);
      } else {
        this.#streams.set(name, new Stream({ context: this.#context, settings }));
      }
    }
  }

  #remove(name: string, stream: Stream): void {
    stream.close("removed");
    this.#streams.delete(name);
    this.#busy.delete(stream);
    this.#context.passphrases.delete("stream", name);
  }

  /** Sees to the passphrase of a stream on the shared ports; says why where it cannot have one. */
  #lock({ name, port, passphrase }: StreamSettings, before?: StreamSettings): string | null {
    const { passphrases } = this.#context;
    // With a port of its own the listener has it.
    if (port > 0 || passphrase === "") passphrases.delete("stream", name);
    else if (before?.port !== 0 || before.passphrase !== passphrase) {
      try {
        passphrases.set("stream", name, passphrase);
      } catch (error) {
        if (!(error instanceof PassphrasesError)) throw error;
        return error.message;
      }
    }
    return null;
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
    // Compared in any case, so that a name that exists takes no longer than one that does not.
    const fits = stream ? stream.admits(claim.mode, claim.key) : isSameSecret(claim.key, "");
    if (!stream || !here || !fits) {
      const detail = `no stream ${
        JSON.stringify(claim.name.slice(0, 64))
      } for this key on this port`;
      return { status: "stream_denied", detail };
    }
    const refusal = claim.mode === "publish"
      ? stream.publish(connection, claim)
      : stream.view(connection, claim);
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
    for (const stream of this.#streams.values()) stream.close("released");
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
