/** Why a request is not answered: one shape for everything that the admin port refuses. */
import type { ErrorAnswer } from "./answers.ts";

export interface Refusal extends ErrorAnswer {
  /** The status of HTTP. */
  readonly status:
    | 400
    | 401
    | 403
    | 404
    | 405
    | 408
    | 409
    | 413
    | 415
    | 422
    | 429
    | 431
    | 500
    | 503;
  readonly headers?: Readonly<Record<string, string>>;
}

export function refusal(
  status: Refusal["status"],
  code: string,
  found: string,
  allowed: string,
  headers?: Refusal["headers"],
): Refusal {
  return { status, code, found, allowed, headers };
}

/** The answer's body. */
export function errorBody({ code, found, allowed }: ErrorAnswer): string {
  return JSON.stringify({ code, found, allowed });
}

/** A peer's text as a refusal shows it: short, and no longer than it needs to be recognised. */
export function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}…` : text);
}

/** Thrown where a request is being answered and turns out to be one that is refused. */
export class RefusedRequest extends Error {
  override name = "RefusedRequest";
  readonly refusal: Refusal;
  constructor(refused: Refusal) {
    super(`found ${refused.found}; allowed: ${refused.allowed}`);
    this.refusal = refused;
  }
}

/** What is asked of a protocol that this gateway does not serve. */
export function notServed(): RefusedRequest {
  return notFound("a gateway that does not serve fastway", "one with the section fastway");
}

export function notFound(found: string, allowed: string): RefusedRequest {
  return new RefusedRequest(refusal(404, "not_found", found, allowed));
}
