/**
 * The back end's end of one data connection: every data frame goes back as an echo with the times
 * it came and went, every ping as a pong. A peer that sends something else loses this session, and
 * nothing else happens.
 */
import type { PlaneKind } from "../../data/plane.ts";
import type { UnixClock } from "./clock.ts";
import { encodeFrame, FRAME_TYPE } from "./frame.ts";
import { type Frame, FrameError, FrameParser } from "./parser.ts";
import type { Transport, TransportError, TransportListener } from "./transport.ts";

/** What a finished session has seen. */
export interface EchoSummary {
  frames: number;
  /** Payload bytes echoed. */
  bytes: number;
  /** Data frames whose payload did not have the promised checksum. */
  corrupt_frames: number;
  /** Bytes passed over to find the next frame after a loss; SRT only. */
  skipped_bytes: number;
  /** Why it ended, or null after an orderly end. */
  error: FrameError | TransportError | null;
}

export interface EchoSessionOptions {
  kind: PlaneKind;
  clock: UnixClock;
  payload_bytes_max: number;
  onOver(summary: EchoSummary): void;
}

export class EchoSession implements TransportListener {
  readonly #options: EchoSessionOptions;
  readonly #parser: FrameParser;
  #transport: Transport | null = null;
  #frames = 0;
  #bytes = 0;
  #error: FrameError | null = null;

  constructor(options: EchoSessionOptions) {
    this.#options = options;
    this.#parser = new FrameParser({
      payload_bytes_max: options.payload_bytes_max,
      resync: options.kind === "srt",
    });
  }

  close(): void {
    this.#transport?.abort();
  }

  onOpen(transport: Transport): void {
    this.#transport = transport;
  }

  onBytes(bytes: Uint8Array): void {
    if (this.#error !== null) return;
    const received_ns = this.#options.clock.now();
    try {
      this.#parser.push(bytes, (frame) => this.#answer(frame, received_ns));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      this.#error = error;
      this.#transport?.abort();
    }
  }

  onDrain(): void {
    this.#transport?.resume();
  }

  onEnd(): void {
    this.#transport?.finish();
  }

  onClose(error: TransportError | null): void {
    const { corrupt_frames, skipped_bytes } = this.#parser.snapshot();
    this.#options.onOver({
      frames: this.#frames,
      bytes: this.#bytes,
      corrupt_frames,
      skipped_bytes,
      error: this.#error ?? error,
    });
  }

  #answer(frame: Frame, received_ns: bigint): void {
    if (frame.type === FRAME_TYPE.data) {
      this.#frames += 1;
      this.#bytes += frame.payload.length;
      // The checksum goes back as it came: damage on the way here must show at the front end.
      this.#send(encodeFrame({
        ...frame,
        type: FRAME_TYPE.echo,
        server_recv_unix_ns: received_ns,
        server_send_unix_ns: this.#options.clock.now(),
      }, frame.payload));
    } else if (frame.type === FRAME_TYPE.ping) {
      this.#send(encodeFrame({
        ...frame,
        type: FRAME_TYPE.pong,
        server_recv_unix_ns: received_ns,
        server_send_unix_ns: this.#options.clock.now(),
      }, new Uint8Array(0)));
    }
  }

  /** What the front end does not take is not read from it either: echoes cannot pile up here. */
  #send(bytes: Uint8Array): void {
    const transport = this.#transport;
    if (transport !== null && !transport.write(bytes)) transport.pause();
  }
}
