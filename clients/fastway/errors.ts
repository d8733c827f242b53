/** Everything that goes wrong here is a {@link FastwayError}; programs look at its `code`. */

export type FastwayErrorCode =
  /** An option is none that there is, or out of its bounds; the message says what is allowed. */
  | "bad_option"
  /** No connection to the gateway: nobody listens, no such host, or TLS does not trust it. */
  | "connect_failed"
  /** The gateway had not answered within `connect_timeout_ms`. */
  | "connect_timeout"
  /**
   * The gateway closed the connection before it answered: a wrong key or token, a ban, a limit, or it
   * speaks something else (TLS or snet where there is none, or the other way round). It gives no word.
   */
  | "connect_refused"
  /** The gateway knows nobody of this id, this client has all the connections it may, or it drains. */
  | "dial_refused"
  /** Nothing came of the dial in time. */
  | "dial_timeout"
  /** So many dials wait for their answer already that no more are taken. */
  | "dial_too_many"
  /** The virtual connection is closed. */
  | "connection_closed"
  /** The message is longer than `packet_bytes_max` allows. */
  | "message_too_long"
  /** So much waits to be sent that no more is taken. Wait for the promises of `send`. */
  | "send_buffer_full"
  /** This endpoint was closed by its own program. */
  | "endpoint_closed"
  /** The connection to the gateway is over. */
  | "gateway_gone"
  /** Nothing came from the gateway for `silence_timeout_ms`, not even what it answers pings with. */
  | "gateway_silent"
  /** The gateway sent what the protocol does not know. */
  | "protocol_error"
  /** snet: the gateway does not have the session any more, or not as we have it. */
  | "snet_refused"
  /** snet: the gateway could not be reached again within `wait_timeout_ms`. */
  | "snet_timeout"
  /** The signal that was given says so. */
  | "aborted";

export class FastwayError extends Error {
  override name = "FastwayError";
  readonly code: FastwayErrorCode;

  constructor(code: FastwayErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function abortedError(signal: AbortSignal): FastwayError {
  return new FastwayError("aborted", "Given up, as its signal says", { cause: signal.reason });
}

export function dialRefused(remoteId: number): FastwayError {
  return new FastwayError(
    "dial_refused",
    `The gateway refuses the dial to ${remoteId}: nobody there has this id, this client has all the ` +
      "connections that it may have, or the gateway is draining",
  );
}

export function connectRefused(cause: FastwayError): FastwayError {
  return new FastwayError(
    "connect_refused",
    "The gateway has ended the connection before it answered: a wrong key or token, a ban, a limit, " +
      "or one side speaks TLS or snet and the other does not",
    { cause },
  );
}
