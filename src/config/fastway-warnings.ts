/** What a section `fastway` may say and the operator should know; it is served all the same. */
import type { CrossFinding } from "./cross-checks.ts";
import { fastwayServerKey, formatListenAddress } from "./fastway-section.ts";
import { isLoopback } from "./loopback.ts";
import type { Config } from "./schema.ts";

type Side = "Client" | "Server";

/** `isSet` says whether a key is somebody's word, or a default. */
export function fastwayWarnings(
  { fastway, auth, gateway, quotas }: Config,
  isSet: (key: string) => boolean,
): CrossFinding[] {
  if (fastway === undefined) return [];
  const findings = (["Client", "Server"] as const).flatMap((side) => snetWarnings(fastway, side));
  if (isSet("fastway.MemPoolType")) {
    findings.push({
      keys: ["fastway.MemPoolType"],
      code: "no_meaning",
      found: `"${fastway.MemPoolType}", which changes nothing`,
      allowed:
        "better nothing: each worker has a pool of its own that nobody else takes from, so " +
        "that there is nothing to lock and no kind of lock to choose",
    });
  }
  if (fastway.ReusePort && gateway.tcp_workers === 1) {
    findings.push({
      keys: ["fastway.ReusePort"],
      code: "one_worker",
      found: "true with gateway.tcp_workers 1, so that one worker serves all of fastway",
      allowed: "better a gateway.tcp_workers of as many cores as it may use, or false",
    });
  }
  if (auth.mode !== "open" && fastway.client_auth === "off") {
    findings.push({
      keys: ["fastway.client_auth"],
      code: "clients_unproven",
      found: `"off" with auth.mode "${auth.mode}": fastway lets every client in all the same`,
      allowed: "better fastway.client_auth token, once its clients send one; old ones cannot",
    });
  }
  const rates = (["principal", "address"] as const)
    .map((kind) => `bytes_per_second_per_${kind}` as const)
    .filter((key) => quotas[key] > 0);
  if (rates.length > 0) {
    findings.push({
      keys: rates.map((key) => `quotas.${key}`),
      code: "no_meaning",
      found: `${rates.join(" and ")}, which no endpoint of fastway is held to`,
      allowed: "bytes_per_day for fastway: its senders cannot be made to wait, only be ended",
    });
  }
  if (fastwayServerKey(fastway) === "" && !isLoopback(fastway.ServerAddr.host)) {
    findings.push({
      keys: ["fastway.ServerAuthKey", "fastway.ServerAuthPassword"],
      code: "server_key_missing",
      found:
        `no key, with fastway.ServerAddr "${formatListenAddress(fastway.ServerAddr)}", which ` +
        "others may reach: whoever does can be any server",
      allowed: "better a key in RELAYX_FASTWAY_SERVERAUTHKEY, or an address of this machine alone",
    });
  }
  return findings;
}

function snetWarnings(fastway: NonNullable<Config["fastway"]>, side: Side): CrossFinding[] {
  const [enable, encrypt] = [`${side}SnetEnable`, `${side}SnetEncrypt`] as const;
  const tls = side === "Client" ? "client_tls_addr" : "server_tls_addr";
  if (!fastway[enable]) {
    return !fastway[encrypt] ? [] : [{
      keys: [`fastway.${encrypt}`],
      code: "no_meaning",
      found: `true without fastway.${enable}, so that nothing is encrypted`,
      allowed: `better fastway.${enable} true as well, or TLS by fastway.${tls}`,
    }];
  }
  return [{
    keys: [`fastway.${enable}`],
    code: "weak_encryption",
    found: "snet, whose RC4, MD5 and 64-bit Diffie-Hellman are what old peers speak and keep out " +
      "nobody who wants to read or to change what is sent",
    allowed: `better TLS by fastway.${tls} for whoever can speak it`,
  }];
}
