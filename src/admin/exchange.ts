/**
 * One request and its answer: the body is read, bounded in size and time, handed to the application
 * as a `Request` of the web platform, and its `Response` is written with the headers that every answer
 * of this port has.
 */
import { Buffer } from "node:buffer";
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import { errorBody, type Refusal, refusal } from "./refusal.ts";

const BODY_BYTES_MAX = 65_536;

/**
 * No page elsewhere may show, read or steer what is answered here, and what the page of this port
 * loads comes from this port as files: nothing that somebody has put into a text is ever run.
 */
const SECURITY_HEADERS = {
  "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; " +
    "form-action 'none'; frame-ancestors 'none'; " +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;

/** The body of a request, or why there is none. */
export function readBody(request: IncomingMessage): Promise<Buffer | Refusal> {
  const too_large = refusal(
    413,
    "body_too_large",
    "a body beyond the bound",
    `a body of at most ${BODY_BYTES_MAX} bytes`,
  );
  if (Number(request.headers["content-length"] ?? 0) > BODY_BYTES_MAX) {
    return Promise.resolve(too_large);
  }
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let bytes = 0;
    request.on("data", (part: Buffer) => {
      bytes += part.length;
      if (bytes > BODY_BYTES_MAX) resolve(too_large);
      else parts.push(part);
    });
    request.on("end", () => resolve(Buffer.concat(parts)));
    request.on("error", reject);
    request.on("close", () => reject(new Error("the connection ended before the request did")));
  });
}

/** The request as the application takes it. */
export function webRequest(
  options: {
    method: string;
    host: string;
    target: string;
    headers: IncomingMessage["headers"];
    body: Buffer;
    signal: AbortSignal;
  },
): Request {
  const { method, host, target, body, signal } = options;
  const headers = new Headers();
  for (const name of ["content-type", "accept"] as const) {
    const value = options.headers[name];
    if (value !== undefined) headers.set(name, value);
  }
  const init = { method, headers, signal };
  if (method === "GET") return new Request(`http://${host}${target}`, init);
  // An order without details is one with none of them.
  const details = body.length > 0 ? new Uint8Array(body) : "{}";
  return new Request(`http://${host}${target}`, { ...init, body: details });
}

/** A refusal as an answer. */
export function refusalResponse(refused: Refusal): Response {
  return new Response(errorBody(refused), {
    status: refused.status,
    headers: { "content-type": "application/json", ...refused.headers },
  });
}

/** A refusal as bytes, for a connection that the parser has given up; it ends with it. */
export function rawAnswer(refused: Refusal): string {
  const body = errorBody(refused);
  const headers = {
    "content-type": "application/json",
    "content-length": String(Buffer.byteLength(body)),
    connection: "close",
    "cache-control": "no-store",
    ...SECURITY_HEADERS,
    ...refused.headers,
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  return `HTTP/1.1 ${refused.status} ${STATUS_CODES[refused.status]}\r\n${lines}\r\n${body}`;
}

/** Writes the whole answer; `last` ends the connection with it. */
export async function answer(
  response: ServerResponse,
  answered: Response,
  options: { head_only: boolean; last: boolean },
): Promise<void> {
  const body = Buffer.from(await answered.arrayBuffer());
  if (response.destroyed) return;
  const headers: Record<string, string | number> = { "cache-control": "no-store" };
  for (const [name, value] of answered.headers) headers[name] = value;
  if (options.last) headers.connection = "close";
  response.writeHead(answered.status, {
    ...headers,
    ...SECURITY_HEADERS,
    "content-length": body.length,
  });
  response.end(options.head_only ? undefined : body);
}
