/**
 * The section `rlx1`: relay_X v1, the first generation. It is served when its section is there. The
 * names are those of v1's own configuration, whose file is taken as it stands; see `v1-form.ts`.
 */
import { z } from "zod";
import { choice, duration, integer, optionalPath, size } from "./values.ts";

const PORTS = { min: 1, max: 65_535 };
const PEERS = { min: 1, max: 1_000_000 };
const DAY_MS = 24 * 3_600_000;
/** Less would be less than the smallest buffers that the kernel makes for two connections. */
const RING_BYTES_MIN = 524_288;
const RING_BYTES_MAX = 1024 ** 3;
const SECRET_CHARS_MAX = 4096;

/** v1 writes plain numbers of bytes. */
function ringSize() {
  const words = size({ min: RING_BYTES_MIN, max: RING_BYTES_MAX });
  const number = integer({ min: RING_BYTES_MIN, max: RING_BYTES_MAX, unit: "bytes" });
  const allowed = `a whole number from ${RING_BYTES_MIN} to ${RING_BYTES_MAX} (bytes), or a size ` +
    'such as "32MB"';
  return z.union([number, words], allowed);
}

function secretText(what: string) {
  const allowed = `${what} of at most ${SECRET_CHARS_MAX} characters, or "" for none`;
  return z.string(allowed).max(SECRET_CHARS_MAX, allowed);
}

/** The name of a key in an envelope's `kid`. */
function keyId() {
  const allowed = 'a name of at most 64 letters, digits and . _ -, or "" for none';
  return z.string(allowed).regex(/^[\w.-]{0,64}$/, allowed);
}

export const rlx1Section = z.strictObject({
  max_fe: integer(PEERS).default(1000),
  max_be: integer(PEERS).default(1000),
  ring_buffer_size: ringSize().default(104_857_600),
  reaper_timeout: duration({ min: 0, max: DAY_MS, zero: "2s" }).prefault("2s"),
  control_port: integer({ min: 0, max: 65_535, unit: "0 is gateway.tcp_port" }).default(0),
  zmq_start_port: integer(PORTS).default(30_101),
  zmq_end_port: integer(PORTS).default(30_200),
  srt_start_port: integer(PORTS).default(30_000),
  srt_end_port: integer(PORTS).default(30_100),
  secret: secretText("text").default(""),
  public_key: secretText("a public key (PEM)").default(""),
  signatures: choice(["off", "optional", "required"]).default("off"),
  sign_key_file: optionalPath().default(""),
  sign_key_id: keyId().default(""),
  verify_key_file: optionalPath().default(""),
  verify_key_id: keyId().default(""),
  verify_previous_key_file: optionalPath().default(""),
  verify_previous_key_id: keyId().default(""),
});

/** What v1 is served with. */
export type Rlx1Config = z.output<typeof rlx1Section>;

/** The two ranges by their labels. */
export function rlx1Ranges(config: Rlx1Config) {
  return {
    zmq: { first: config.zmq_start_port, last: config.zmq_end_port },
    srt: { first: config.srt_start_port, last: config.srt_end_port },
  };
}
