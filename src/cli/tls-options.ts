/** The options by which a command speaks TLS to the control port. */
import type { Command } from "commander";
import type { GatewayTls } from "../tools/tls.ts";

export interface TlsFlags {
  tls?: string | boolean;
  ca?: string;
  cert?: string;
  key?: string;
  server_name?: string;
}

export function addTlsOptions(command: Command): Command {
  return command
    .option("--tls [bool]", "speak TLS to the control port; any of the following says so as well")
    .option("--ca <file>", "whom to trust the gateway's certificate from (default: the system's)")
    .option("--cert <file>", "certificate to show to the gateway, with --key")
    .option("--key <file>", "private key of that certificate")
    .option("--server_name <name>", "name in the gateway's certificate (default: the host)");
}

/** What the flags ask for; undefined: no TLS. Throws a `FlagError`. */
export async function readTlsFlags(flags: TlsFlags): Promise<GatewayTls | undefined> {
  const { booleanFlag, FlagError, pemFlag } = await import("../tools/flags.ts");
  const { tls, ca, cert, key, server_name } = flags;
  const is_implied = [ca, cert, key, server_name].some((flag) => flag !== undefined);
  if (!booleanFlag("--tls", tls ?? is_implied)) {
    if (!is_implied) return undefined;
    throw new FlagError("--tls", "false", "true with --ca, --cert, --key or --server_name");
  }
  if ((cert === undefined) !== (key === undefined)) {
    const [alone, other] = cert === undefined ? ["--key", "--cert"] : ["--cert", "--key"];
    throw new FlagError(alone, cert ?? key!, `it together with ${other}`);
  }
  return {
    ca: ca && pemFlag("--ca", ca, "CERTIFICATE"),
    cert: cert && pemFlag("--cert", cert, "CERTIFICATE"),
    key: key && pemFlag("--key", key, "PRIVATE KEY"),
    server_name,
  };
}
