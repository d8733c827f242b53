/**
 * An identity provider: keys that are made for the test, tokens signed with them by hand, and the key
 * set under a URL, with outages. Only node:crypto is used, so the gateway's library is not checked
 * with itself.
 */
import { Buffer } from "node:buffer";
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { createServer, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { AddressInfo } from "node:net";

export interface SigningKey {
  kid: string;
  alg: "RS256" | "ES256";
  public_key: KeyObject;
  private_key: KeyObject;
}

export function makeKey(kid: string, alg: SigningKey["alg"] = "ES256"): SigningKey {
  const { publicKey, privateKey } = alg === "RS256"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: "P-256" });
  return { kid, alg, public_key: publicKey, private_key: privateKey };
}

export function encodePart(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}

/** Seconds from now, as `exp` and its like have them. */
export function inSeconds(seconds: number): number {
  return Math.floor(Date.now() / 1000) + seconds;
}

export function signToken(key: SigningKey, claims: Record<string, unknown>): string {
  const body = `${encodePart({ alg: key.alg, kid: key.kid })}.${encodePart(claims)}`;
  const signature = sign("sha256", Buffer.from(body), {
    key: key.private_key,
    ...(key.alg === "ES256" ? { dsaEncoding: "ieee-p1363" as const } : {}),
  });
  return `${body}.${signature.toString("base64url")}`;
}

export class KeySetServer {
  readonly #server: Server;
  readonly #scheme: "http" | "https";
  /** How often it has been asked. */
  asked = 0;
  answer: (response: ServerResponse) => void = (response) => void response.end();

  private constructor(certificate?: { cert: string; key: string }) {
    const onRequest = (_request: unknown, response: ServerResponse) => {
      this.asked++;
      this.answer(response);
    };
    this.#scheme = certificate === undefined ? "http" : "https";
    this.#server = certificate === undefined
      ? createServer(onRequest)
      : createTlsServer(certificate, onRequest);
  }

  static async start(
    keys: readonly SigningKey[],
    certificate?: { cert: string; key: string },
  ): Promise<KeySetServer> {
    const started = new KeySetServer(certificate);
    started.publish(keys);
    await new Promise<void>((resolve) => started.#server.listen(0, "127.0.0.1", resolve));
    return started;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${(this.#server.address() as AddressInfo).port}/keys`;
  }

  publish(keys: readonly SigningKey[]): void {
    const set = keys.map(({ kid, public_key }) => ({
      ...public_key.export({ format: "jwk" }),
      kid,
      use: "sig",
    }));
    this.answer = (response) => void response.end(JSON.stringify({ keys: set }));
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
