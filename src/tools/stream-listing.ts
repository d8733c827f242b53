/** Asks a running gateway for its named streams (`GET /streams`). */
import type { Buffer } from "node:buffer";
import http from "node:http";
import { z } from "zod";
import { BOTTLENECKS } from "../data/bottleneck.ts";
import type { StreamListing } from "../data/plane.ts";
import { printable } from "./printable.ts";

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

export async function askStreams(
  gateway: { host: string; port: number },
): Promise<StreamListing[]> {
  const at = gateway.host.includes(":")
    ? `[${gateway.host}]:${gateway.port}`
    : `${gateway.host}:${gateway.port}`;
  const { status, body } = await get(gateway, at);
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

function get(
  { host, port }: { host: string; port: number },
  at: string,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const late = AbortSignal.timeout(ANSWER_MS_MAX);
    const fail = (error: Error) => {
      const { code } = error as { code?: unknown };
      const why = late.aborted
        ? `nothing within ${ANSWER_MS_MAX / 1000} s`
        : printable(typeof code === "string" ? code : error.message, 200);
      reject(
        new StreamListingError(
          `no answer from ${at} (${why}); is the gateway running, and is that its control port?`,
        ),
      );
    };
    // No agent: one request, and nothing that is kept open behind it.
    const request = http.get({ host, port, path: "/streams", agent: false, signal: late });
    request.once("error", fail);
    request.once("response", (response) => {
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      response.once("error", fail);
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES_MAX) {
          request.destroy(new Error(`more than ${ANSWER_BYTES_MAX} bytes`));
          return;
        }
        chunks.push(chunk);
      });
      response.once("end", () => {
        resolve({ status: response.statusCode ?? 0, body: decoded(chunks) });
      });
    });
  });
}

function decoded(chunks: readonly Uint8Array[]): string {
  const decoder = new TextDecoder();
  const parts = chunks.map((chunk) => decoder.decode(chunk, { stream: true }));
  return parts.join("") + decoder.decode();
}
