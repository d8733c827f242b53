/** One HTTP request to a gateway and its answer, both bounded in time and size. */
import { Buffer } from "node:buffer";
import http from "node:http";
import https from "node:https";
import { connectionOptions, type GatewayTls } from "./tls.ts";

export interface HttpQuestion {
  host: string;
  port: number;
  /** Absent: no TLS. */
  tls?: GatewayTls;
  path: string;
  method?: "GET" | "POST" | "DELETE";
  headers?: Readonly<Record<string, string>>;
  /** Goes out as JSON. */
  body?: unknown;
  answer_ms_max: number;
  answer_bytes_max: number;
  /** Ends the waiting early. */
  signal?: AbortSignal;
}

export interface HttpAnswer {
  status: number;
  body: string;
}

/** There was no answer; the message says in a few words why. */
export class NoAnswer extends Error {
  override name = "NoAnswer";
}

/** `host:port` as it is written in messages and URLs. */
export function hostAndPort({ host, port }: { host: string; port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Resolves with whatever answer comes, refusals included; rejects with {@link NoAnswer}. */
export function askHttp(question: HttpQuestion): Promise<HttpAnswer> {
  const { host, port, tls, path, method = "GET", answer_ms_max, answer_bytes_max } = question;
  return new Promise((resolve, reject) => {
    const late = AbortSignal.timeout(answer_ms_max);
    const signal = question.signal ? AbortSignal.any([late, question.signal]) : late;
    const fail = (error: Error) => {
      const { code } = error as { code?: unknown };
      const why = late.aborted
        ? `nothing within ${answer_ms_max / 1000} s`
        : typeof code === "string"
        ? code
        : error.message;
      reject(new NoAnswer(why, { cause: error }));
    };
    const body = question.body === undefined ? null : JSON.stringify(question.body);
    const headers = {
      ...question.headers,
      ...(body === null
        ? {}
        : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
    };
    // No agent: one request, and nothing that is kept open behind it.
    const options = { host, port, path, method, headers, agent: false as const, signal };
    const request = tls === undefined
      ? http.request(options)
      : https.request({ ...options, ...connectionOptions(host, tls) });
    request.once("error", fail);
    request.once("response", (response) => {
      const chunks: Uint8Array[] = [];
      let bytes = 0;
      response.once("error", fail);
      response.on("data", (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > answer_bytes_max) {
          request.destroy(new Error(`more than ${answer_bytes_max} bytes`));
          return;
        }
        chunks.push(chunk);
      });
      response.once("end", () => {
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
      });
    });
    request.end(body ?? undefined);
  });
}
