/** TLS as the tools speak it to a gateway. */
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";

/** How a gateway is spoken to through TLS; certificates and the key are PEM. */
export interface GatewayTls {
  /** Who the gateway's certificate must be from; absent: who the system trusts. */
  ca?: string;
  /** Our own certificate, and its key. */
  cert?: string;
  key?: string;
  /** The name that the certificate must have, if it is not the host's. */
  server_name?: string;
}

/** The same as the runtime has it. */
export function connectionOptions(host: string, tls: GatewayTls): ConnectionOptions {
  const { ca, cert, key, server_name } = tls;
  // An address is no name that could be asked for; its certificate is checked for it all the same.
  const servername = server_name ?? (isIP(host) === 0 ? host : undefined);
  return { host, ca, cert, key, ...(servername === undefined ? {} : { servername }) };
}

/** Whether an error is about TLS or certificates: those of the system have short names. */
export function isAboutTls(code: string): boolean {
  return !/^E[A-Z]+$/.test(code);
}
