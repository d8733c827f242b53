/** What a configuration may say and probably should not; it is served all the same. */
import { Buffer } from "node:buffer";
import type { CrossFinding } from "./cross-checks.ts";
import { fastwayWarnings } from "./fastway-warnings.ts";
import type { Config } from "./schema.ts";

const RING_BYTES_WISE = 1_048_576;
const REAPER_MS_WISE = 1000;
const SECRET_BYTES_WISE = 32;

/** `invalid` names the keys whose value is a problem already; `isSet` says which are no defaults. */
export function warningsOf(
  config: Config,
  invalid: ReadonlySet<string>,
  isSet: (key: string) => boolean,
): CrossFinding[] {
  return [...rlx1Warnings(config), ...fastwayWarnings(config, isSet)]
    .filter(({ keys }) => !keys.some((key) => invalid.has(key)));
}

function rlx1Warnings({ rlx1, auth }: Config): CrossFinding[] {
  if (rlx1 === undefined) return [];
  const findings: CrossFinding[] = [];
  const { ring_buffer_size, reaper_timeout, secret } = rlx1;
  if (ring_buffer_size < RING_BYTES_WISE) {
    findings.push({
      keys: ["rlx1.ring_buffer_size"],
      code: "small_buffer",
      found: `${ring_buffer_size} bytes`,
      allowed: "better at least 1 MiB (1048576): a smaller one slows distant peers down",
    });
  }
  if (reaper_timeout > 0 && reaper_timeout < REAPER_MS_WISE) {
    findings.push({
      keys: ["rlx1.reaper_timeout"],
      code: "short_timeout",
      found: `${reaper_timeout} ms`,
      allowed:
        "better at least 1s: a back end that connects anew loses its waiting ports otherwise",
    });
  }
  const secret_bytes = Buffer.byteLength(secret);
  if (auth.mode === "open" && secret_bytes > 0 && secret_bytes < SECRET_BYTES_WISE) {
    findings.push({
      keys: ["rlx1.secret"],
      code: "short_secret",
      found: `a secret of ${secret_bytes} bytes`,
      allowed: `better at least ${SECRET_BYTES_WISE} bytes of chance: shorter ones may be guessed`,
    });
  }
  return findings;
}
