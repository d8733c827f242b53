/** Who endpoints are that have brought no token of their own. */
import { IdPatterns } from "../../access/id-patterns.ts";
import { type OwnLimits, UNLIMITED } from "../../access/limits.ts";
import { Principal } from "../../access/principal.ts";
import type { FastwaySide } from "../../data/fastway/protocol.ts";

const ANYBODY = new IdPatterns(["*"]);

function principal(side: FastwaySide, limits: OwnLimits): Principal {
  return new Principal({
    name: `fastway-${side}`,
    rules: { roles: [side], ids: ANYBODY, peers: ANYBODY, limits, expires_unix_ms: null },
  });
}

/** All who know the servers' key: whoever shares a key shares what a principal may have. */
export function serverPrincipal(): Principal {
  return principal("server", {});
}

/** Clients without a token are strangers to each other: only the limits of addresses are theirs. */
export function strangerPrincipal(): Principal {
  return principal("client", UNLIMITED);
}
