/**
 * The admin API as the page uses it: `GET` for what is shown and orders for what is changed, with
 * the token where one is needed. Addresses are relative, so the page also works behind a proxy that
 * puts it under a path.
 */

const TOKEN_KEY = "relayx.token";
const TIMEOUT_MS = 10_000;

/** The gateway has answered, and it is a refusal. */
export class RefusedError extends Error {
  /**
   * @param {{ status: number, code: string, found: string, allowed: string }} refusal
   */
  constructor({ status, code, found, allowed }) {
    super(allowed === "" ? found : `${found}; allowed: ${allowed}`);
    this.name = "RefusedError";
    this.status = status;
    this.code = code;
  }
}

/** There was no answer, or none of the gateway's. */
export class UnreachableError extends Error {
  /** @param {string} reason */
  constructor(reason) {
    super(reason);
    this.name = "UnreachableError";
  }
}

export class Api {
  /** Kept for the life of the tab only, and out of cookies, so that no other site can use it. */
  #token = readToken();

  get has_token() {
    return this.#token !== "";
  }

  /** @param {string} token "" forgets it. */
  setToken(token) {
    this.#token = token;
    try {
      if (token === "") sessionStorage.removeItem(TOKEN_KEY);
      else sessionStorage.setItem(TOKEN_KEY, token);
    } catch {
      // A browser that keeps nothing asks for the token again after a reload of the page.
    }
  }

  /**
   * @template Answer
   * @param {string} path Behind `api/v1/`.
   * @returns {Promise<Answer>}
   */
  get(path) {
    return this.#ask("GET", path);
  }

  /**
   * @template Answer
   * @param {"POST" | "DELETE"} method
   * @param {string} path
   * @param {unknown} [body]
   * @returns {Promise<Answer>}
   */
  order(method, path, body) {
    return this.#ask(method, path, body);
  }

  /**
   * @param {string} method
   * @param {string} path
   * @param {unknown} [body]
   */
  async #ask(method, path, body) {
    /** @type {Record<string, string>} */
    const headers = { accept: "application/json" };
    if (this.has_token) headers.authorization = `Bearer ${this.#token}`;
    if (body !== undefined) headers["content-type"] = "application/json";
    /** @type {Response} */
    let response;
    try {
      response = await fetch(`api/v1/${path}`, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        credentials: "omit",
        cache: "no-store",
        redirect: "error",
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      const late = error instanceof DOMException && error.name === "TimeoutError";
      throw new UnreachableError(
        late ? `no answer within ${TIMEOUT_MS / 1000} s` : "no connection to the gateway",
      );
    }
    /** @type {any} */
    let answer;
    try {
      answer = await response.json();
    } catch {
      throw new UnreachableError(`an answer that is not the gateway's (HTTP ${response.status})`);
    }
    if (response.ok) return answer;
    throw new RefusedError({
      status: response.status,
      code: String(answer?.code ?? "unknown"),
      found: String(answer?.found ?? `HTTP ${response.status}`),
      allowed: String(answer?.allowed ?? ""),
    });
  }
}

function readToken() {
  try {
    return sessionStorage.getItem(TOKEN_KEY) ?? "";
  } catch {
    return "";
  }
}

/**
 * A stranger's id as a part of an address. Half a surrogate pair has no encoding, so it is replaced; the
 * gateway then says that it knows nobody of that name.
 * @param {string} text
 */
export function encoded(text) {
  return encodeURIComponent(text.toWellFormed());
}
