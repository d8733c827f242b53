/**
 * The bytes of one endpoint as its worker sees them, whatever is between: a plain socket, or an snet
 * session that outlives its sockets. Nothing here blocks and nothing here knows frames.
 */
import type { Pieces } from "./pieces.ts";

/** Nothing now; told again by {@link StreamOwner.streamReady}. */
export const WOULD_BLOCK = -1;
/** The stream is over, and nothing more can be read or written. */
export const STREAM_OVER = -2;

export interface Stream {
  /** Who is told of it; whoever takes the stream over puts itself here and then tries to read. */
  owner: StreamOwner;
  /** Fills the pieces in order; how many bytes, or {@link WOULD_BLOCK} or {@link STREAM_OVER}. */
  read(pieces: Pieces): number;
  /** Takes the pieces' bytes in order; how many of them, or one of the two. */
  write(pieces: Pieces): number;
  /** The bytes it holds itself and has not given to the kernel yet. */
  readonly unsent_bytes: number;
  /**
   * Nothing came for too long. snet closes the connection under it and waits for the peer to return:
   * true, and {@link StreamOwner.streamAway} is called meanwhile. Others have nothing to wait for.
   */
  dropConnection(): boolean;
  /** Ends it at once, with a FIN and not with a reset, as far as that can be. The owner is not told. */
  close(): void;
}

/** A stream that is a socket, with what snet must know of the kernel to keep a gap within its buffer. */
export interface SocketStream extends Stream {
  /** Bytes that the kernel has taken and the peer's has not acknowledged (SIOCOUTQ); asks the kernel. */
  unacknowledgedBytes(): number;
  /** Has the kernel take only so much ahead of the peer, with what it books beside (SO_SNDBUF). */
  limitUnacknowledged(bytes: number): void;
  /**
   * Has the owner told as soon as the kernel has room, although it has refused nothing: what epoll has
   * told once by an edge, it is asked for again (EPOLL_CTL_MOD).
   */
  askForRoom(): void;
}

/** Who a stream belongs to. */
export interface StreamOwner {
  /** It may be readable or writable again, or over: to be found out by trying. */
  streamReady(): void;
  /** snet: the connection is lost and may come back. Reads and writes would block meanwhile. */
  streamAway(): void;
  streamBack(remote: string, address: string): void;
}

/** The owner of a stream that nobody has taken over yet. */
export const NOBODY: StreamOwner = {
  streamReady() {},
  streamAway() {},
  streamBack() {},
};
