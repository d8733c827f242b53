/** The rules between the keys of `auth`: a mode has what it needs, and no key can stand for another. */
import type { CrossCheck } from "./cross-checks.ts";

/** A key set is fetched from elsewhere only so that nobody on the way can change it. */
const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

export const AUTH_CHECKS: readonly CrossCheck[] = [
  {
    keys: ["auth.mode", "auth.tokens_file"],
    check: ({ auth: { mode, tokens_file } }) =>
      mode !== "tokens" || tokens_file !== "" ? null : {
        code: "tokens_file_missing",
        found: 'auth.mode "tokens" with auth.tokens_file ""',
        allowed: 'the path of a file in auth.tokens_file; "relayx token new" makes its entries',
      },
  },
  {
    keys: ["auth.mode", "auth.jwt_key_file", "auth.jwks_url"],
    check: ({ auth: { mode, jwt_key_file, jwks_url } }) => {
      if (mode !== "jwt" || (jwt_key_file === "") !== (jwks_url === "")) return null;
      const both = jwks_url !== "";
      return {
        code: both ? "jwt_keys_twice" : "jwt_keys_missing",
        found: `auth.mode "jwt" with ${both ? "both" : "neither"} auth.jwt_key_file ` +
          `${both ? "and" : "nor"} auth.jwks_url`,
        allowed: "one of the two",
      };
    },
  },
  {
    keys: ["auth.jwks_url"],
    check: ({ auth: { jwks_url } }) => {
      if (jwks_url === "") return null;
      const url = URL.canParse(jwks_url) ? new URL(jwks_url) : null;
      const secure = url?.protocol === "https:" ||
        (url?.protocol === "http:" && LOOPBACK.test(url.hostname));
      if (secure && url?.username === "" && url.password === "") return null;
      return {
        path: ["auth", "jwks_url"],
        code: "insecure_url",
        found: "a URL that a key set cannot safely be fetched from",
        allowed: "https://…, or http://… on this machine; without a user and a password in it",
      };
    },
  },
  {
    keys: ["auth.jwt_algorithms"],
    check: ({ auth: { jwt_algorithms: all } }) => {
      const shared = all.filter((name) => name.startsWith("HS"));
      if (shared.length === 0 || shared.length === all.length) return null;
      return {
        path: ["auth", "jwt_algorithms"],
        code: "algorithms_mixed",
        found: `${shared[0]} beside ${all.find((name) => !name.startsWith("HS"))}`,
        allowed: "algorithms with a shared secret (HS…) or such with a public key, not both: " +
          "a public key could be taken for the secret",
      };
    },
  },
  {
    keys: ["auth.mode", "auth.jwt_algorithms", "auth.jwks_url"],
    check: ({ auth: { mode, jwt_algorithms, jwks_url } }) =>
      mode !== "jwt" || jwks_url === "" || !jwt_algorithms.some((name) => name.startsWith("HS"))
        ? null
        : {
          path: ["auth", "jwt_algorithms"],
          code: "secret_from_url",
          found: "algorithms with a shared secret and an auth.jwks_url",
          allowed: "an auth.jwt_key_file for the secret, or algorithms with a public key",
        },
  },
  {
    keys: ["auth.jwks_url", "auth.mode", "auth.jwt_audience"],
    check: ({ auth: { mode, jwks_url, jwt_audience } }) =>
      mode !== "jwt" || jwks_url === "" || jwt_audience !== "" ? null : {
        code: "audience_missing",
        found: 'auth.jwks_url with auth.jwt_audience ""',
        allowed: "an auth.jwt_audience: the keys of a key set sign tokens for others as well",
      },
  },
];
