/**
 * The bytes of one endpoint as its worker sees them, whatever is between: a plain socket, or an snet
 * session that outlives its sockets. Nothing here blocks and nothing here knows frames.
 */

/** Nothing now; told again by {@link StreamOwner.streamReady}. */
export const WOULD_BLOCK = -1;
/** The stream is over, and nothing more can be read or written. */
export const STREAM_OVER = -2;

/**
 * Pieces of memory for one gathered read or write: a `struct iovec` for each in native order, and the
 * same places as views, for a stream that has to change the bytes. At most {@link PIECES_MAX}.
 */
export interface Pieces {
  readonly count: number;
  /** `struct iovec[]` for readv and writev. */
  readonly iovecs: Uint32Array;
  readonly bytes: readonly Uint8Array[];
  readonly from: Int32Array;
  readonly to: Int32Array;
}

/** Linux takes at most 1024 at once (IOV_MAX); a cache's worth of them is enough. */
export const PIECES_MAX = 256;

export interface Stream {
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
  /** Ends it at once. The owner is not told. `silent`: the peer gets no reset either. */
  close(): void;
}

/** Who a stream belongs to. */
export interface StreamOwner {
  /** It may be readable or writable again, or over: to be found out by trying. */
  streamReady(): void;
  /** snet: the connection is lost and may come back. Reads and writes would block meanwhile. */
  streamAway(): void;
  streamBack(remote: string, address: string): void;
}
