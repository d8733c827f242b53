/** Asks a running gateway for its named streams (`GET /streams`). */
import { z } from "zod";
import { BOTTLENECKS } from "../data/bottleneck.ts";
import type { StreamListing } from "../data/plane.ts";
import { askHttp, hostAndPort, NoAnswer } from "./http-json.ts";
import { printable } from "./printable.ts";
import type { GatewayTls } from "./tls.ts";

/** A gateway on the same machine answers within milliseconds, unless it is in trouble itself. */
const ANSWER_MS_MAX = 5000;
/** A viewer takes some 400 bytes, so this is far more than 100,000 of them. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** No listing could be had; the message says why and what to do. */
export class StreamListingError extends Error {
  override name = "StreamListingError";
  readonly code = "STREAM_LISTING";
}

const figure = z.number().nonnegative();

const legShape = z.object({
  mbps: figure,
  rtt_ms: figure,
  loss_pct: figure,
  retrans_pct: figure,
  dropped: figure,
  buffered_ms: figure,
  bandwidth_mbps: figure,
});

const endShape = z.object({
  remote: z.string(),
  user: z.string(),
  since_unix_ms: figure,
  leg: legShape,
});

const listingShape: z.ZodType<StreamListing[]> = z.array(z.object({
  name: z.string(),
  publisher: endShape.nullable(),
  viewers: z.array(endShape.extend({ skipped: figure, bottleneck: z.enum(BOTTLENECKS) })),
  viewers_max: figure,
  bytes_in: figure,
  bytes_out: figure,
  dropped: z.record(z.string(), figure),
}));

interface Gateway {
  host: string;
  port: number;
  tls?: GatewayTls;
}

export async function askStreams(gateway: Gateway): Promise<StreamListing[]> {
  const at = hostAndPort(gateway);
  const { status, body } = await ask(gateway, at);
  if (status === 403 && body !== "") {
    throw new StreamListingError(
      `the gateway at ${at} refuses this connection: ${printable(body.trim(), 200)}; ` +
        "see --tls, --cert and --key",
    );
  }
  if (status === 403) {
    throw new StreamListingError(
      `the gateway at ${at} names its streams to its own machine only: run this command there`,
    );
  }
  if (status === 404) {
    throw new StreamListingError(
      `what answers at ${at} has no page /streams: it is another program, or an older relayx`,
    );
  }
  if (status !== 200) throw new StreamListingError(`${at} answers with HTTP status ${status}`);
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch {
    throw new StreamListingError(`what answers at ${at} is no relayx: its answer is no JSON`);
  }
  const read = listingShape.safeParse(value);
  if (read.success) return read.data;
  const { path, message } = read.error.issues[0];
  const where = printable(path.length === 0 ? "the whole" : path.join("."));
  throw new StreamListingError(
    `what answers at ${at} is no relayx of this version: ${where}: ${printable(message, 200)}`,
  );
}

async function ask(gateway: Gateway, at: string) {
  try {
    return await askHttp({
      ...gateway,
      path: "/streams",
      answer_ms_max: ANSWER_MS_MAX,
      answer_bytes_max: ANSWER_BYTES_MAX,
    });
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
    throw new StreamListingError(
      `no answer from ${at} (${printable(error.message, 200)}); ` +
        "is the gateway running, and is that its control port?",
    );
  }
}
