/**
 * `auth.mode: jwt`: whoever brings a signed token (RFC 7519) of the configured issuer is who its
 * claims say. A token must have an end (`exp`), and its ids are taken as they are written: a star in
 * a name that a user has chosen stands for nothing.
 */
import type { JWTPayload } from "jose";
import { z } from "zod";
import type { Config } from "../config/schema.ts";
import type { Role } from "../data/plane.ts";
import {
  AccessRefusal,
  type Authenticator,
  checkRules,
  type Credentials,
  type RefusalReason,
  type Verdict,
} from "./authenticator.ts";
import { IdPatterns, PATTERN_CHARS_MAX, PATTERNS_MAX } from "./id-patterns.ts";
import type { KeySource } from "./key-source.ts";
import { keysFor, type VerificationKey } from "./jwt-keys.ts";
import { ownLimitsSchema } from "./limits.ts";
import { Principal } from "./principal.ts";

/** A token of a set without key names is tried with so many keys of its kind. */
const ATTEMPTS_MAX = 8;
const NAME_CHARS_MAX = 256;

type AuthConfig = Config["auth"];

/** What a principal was let in by; whether it still would be is asked after each reload. */
interface Proof {
  source: KeySource;
  alg: string;
  thumbprint: string;
  issuer: string;
  audience: readonly string[];
}

const nameShape = z.string().min(1).max(NAME_CHARS_MAX);
const idsShape = oneOrMore(z.string().min(1).max(4096));
const rolesShape = oneOrMore(z.enum(["client", "server"]));
const peersShape = oneOrMore(z.string().max(PATTERN_CHARS_MAX));

function oneOrMore<Item extends z.ZodType>(item: Item) {
  return z.union([item.transform((one) => [one]), z.array(item).max(PATTERNS_MAX)]);
}

/** Loaded with the first token: a gateway that checks none does not wait for it at its start. */
type Jose = typeof import("jose");

export class JwtAuthenticator implements Authenticator {
  readonly #auth: AuthConfig;
  readonly #source: KeySource;
  readonly #proofs: WeakMap<Principal, Proof>;

  /** `before`: the one it takes the place of, whose principals it goes on to know. */
  constructor(options: { auth: AuthConfig; source: KeySource; before?: JwtAuthenticator }) {
    this.#auth = options.auth;
    this.#source = options.source;
    const { before } = options;
    this.#proofs = before === undefined ? new WeakMap() : before.#proofs;
  }

  async authenticate(credentials: Credentials): Promise<Verdict> {
    const jose = await import("jose");
    const header = readHeader(jose, credentials.token);
    if (header === null) return new AccessRefusal("malformed", "the token is no signed JWT");
    if (!(this.#auth.jwt_algorithms as string[]).includes(header.alg)) {
      return new AccessRefusal(
        "alg_not_allowed",
        `found alg ${JSON.stringify(header.alg.slice(0, 32))}; ` +
          `allowed: ${this.#auth.jwt_algorithms.join(", ")}`,
      );
    }
    const keys = await this.#keysFor(header);
    if (keys instanceof AccessRefusal) return keys;
    const verified = await this.#verify(jose, credentials.token, keys);
    if (verified instanceof AccessRefusal) return verified;
    const principal = this.#principalOf(verified.payload);
    if (principal instanceof AccessRefusal) return principal;
    this.#proofs.set(principal, {
      source: this.#source,
      alg: header.alg,
      thumbprint: verified.key.thumbprint,
      issuer: verified.payload.iss ?? "",
      audience: [verified.payload.aud ?? []].flat(),
    });
    return checkRules(principal, credentials, Date.now()) ?? principal;
  }

  holds(principal: Principal): boolean {
    const proof = this.#proofs.get(principal);
    if (proof === undefined) return false;
    const { jwt_algorithms, jwt_issuer, jwt_audience } = this.#auth;
    if (!(jwt_algorithms as string[]).includes(proof.alg)) return false;
    if (jwt_issuer !== "" && proof.issuer !== jwt_issuer) return false;
    if (jwt_audience !== "" && !proof.audience.includes(jwt_audience)) return false;
    if (proof.source === this.#source && !this.#source.gone_is_revoked) return true;
    return this.#source.keys()?.some(({ thumbprint }) => thumbprint === proof.thumbprint) ?? false;
  }

  async #keysFor(
    header: { alg: string; kid?: string },
  ): Promise<VerificationKey[] | AccessRefusal> {
    let found = keysFor(this.#source.keys() ?? [], header);
    if (found.length === 0) {
      await this.#source.renew();
      found = keysFor(this.#source.keys() ?? [], header);
    }
    if (found.length > 0) return found.slice(0, ATTEMPTS_MAX);
    const name = header.kid === undefined
      ? ""
      : ` named ${JSON.stringify(header.kid.slice(0, 64))}`;
    const detail = `there is no key${name} for ${header.alg}`;
    if (this.#source.keys() === null || this.#source.failing) {
      return new AccessRefusal(
        "keys_unavailable",
        `${detail}, and auth.jwks_url gives none at the moment`,
      );
    }
    return new AccessRefusal("unknown_key", detail);
  }

  async #verify(
    jose: Jose,
    token: string,
    keys: readonly VerificationKey[],
  ): Promise<{ payload: JWTPayload; key: VerificationKey } | AccessRefusal> {
    const { jwt_algorithms, jwt_issuer, jwt_audience, jwt_clock_tolerance } = this.#auth;
    for (const key of keys) {
      try {
        const { payload } = await jose.jwtVerify(token, key.key, {
          algorithms: jwt_algorithms,
          issuer: jwt_issuer === "" ? undefined : jwt_issuer,
          audience: jwt_audience === "" ? undefined : jwt_audience,
          clockTolerance: jwt_clock_tolerance / 1000,
          requiredClaims: ["exp"],
        });
        return { payload, key };
      } catch (error) {
        if (error instanceof jose.errors.JWSSignatureVerificationFailed) continue;
        return refusalOf(jose, error);
      }
    }
    return new AccessRefusal("bad_signature", "the token is not signed with the key it names");
  }

  #principalOf(payload: JWTPayload): Principal | AccessRefusal {
    const auth = this.#auth;
    const claim = (name: string) => Object.hasOwn(payload, name) ? payload[name] : undefined;
    const wrong = (name: string) =>
      new AccessRefusal(
        "malformed",
        `the claim ${JSON.stringify(name)} is missing or not as needed`,
      );
    const name = nameShape.safeParse(claim(auth.jwt_name_claim));
    if (!name.success) return wrong(auth.jwt_name_claim);
    const ids = idsShape.safeParse(claim(auth.jwt_id_claim));
    if (!ids.success) return wrong(auth.jwt_id_claim);
    const roles = rolesShape.safeParse(
      auth.jwt_role_claim === "" ? ["client", "server"] : claim(auth.jwt_role_claim),
    );
    if (!roles.success) return wrong(auth.jwt_role_claim);
    const peers = peersShape.default(["*"]).safeParse(
      auth.jwt_peers_claim === "" ? undefined : claim(auth.jwt_peers_claim),
    );
    if (!peers.success) return wrong(auth.jwt_peers_claim);
    const limits = ownLimitsSchema.default({}).safeParse(
      auth.jwt_quotas_claim === "" ? undefined : claim(auth.jwt_quotas_claim),
    );
    if (!limits.success) return wrong(auth.jwt_quotas_claim);
    return new Principal({
      name: name.data,
      rules: {
        roles: roles.data as Role[],
        ids: IdPatterns.literal(ids.data),
        peers: new IdPatterns(peers.data),
        limits: limits.data,
        expires_unix_ms: (payload.exp ?? 0) * 1000 + auth.jwt_clock_tolerance,
      },
    });
  }
}

function readHeader(jose: Jose, token: string): { alg: string; kid?: string } | null {
  try {
    const { alg, kid } = jose.decodeProtectedHeader(token);
    if (typeof alg !== "string" || (kid !== undefined && typeof kid !== "string")) return null;
    return { alg, kid };
  } catch {
    return null;
  }
}

/** The library's errors in our words; its messages name claims and never hold the token. */
function refusalOf({ errors }: Jose, error: unknown): AccessRefusal {
  const message = error instanceof Error ? error.message : String(error);
  let reason: RefusalReason = "malformed";
  if (error instanceof errors.JWTExpired) reason = "expired";
  else if (error instanceof errors.JOSEAlgNotAllowed) reason = "alg_not_allowed";
  else if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === "iss") reason = "wrong_issuer";
    else if (error.claim === "aud") reason = "wrong_audience";
    else if (error.claim === "nbf") reason = "not_yet_valid";
  }
  return new AccessRefusal(reason, message);
}
