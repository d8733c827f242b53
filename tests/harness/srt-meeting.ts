/** Both ends of a granted SRT port. */
import { Buffer } from "node:buffer";
import type { GatewayProcess } from "./gateway-process.ts";
import { helloFor } from "./meeting.ts";
import type { SrtConnect, SrtEnd, SrtThread } from "./srt-end.ts";
import type { Role } from "./tcp-end.ts";
import type { Grant } from "./v4-client.ts";

export type SrtOptions = Omit<SrtConnect, "port">;

/** Connects one end and says its hello, as a message of its own unless something is behind it. */
export function joinSrtAs(
  thread: SrtThread,
  grant: Grant,
  role: Role,
  { behind, ...options }: SrtOptions & { behind?: Uint8Array | string } = {},
): Promise<SrtEnd> {
  return thread.join({
    port: grant.srt_port!,
    hello: helloFor(grant, role),
    behind: behind === undefined ? undefined : Buffer.from(behind),
    ...options,
  });
}

export interface SrtSession {
  grant: Grant;
  client: SrtEnd;
  server: SrtEnd;
}

/** Connects both ends, one strictly after the gateway has seen the other, and waits for `paired`. */
export async function joinSrt(
  { gateway, thread, grant, first = "server", ...options }: SrtOptions & {
    gateway: GatewayProcess;
    thread: SrtThread;
    grant: Grant;
    first?: Role;
  },
): Promise<SrtSession> {
  const { session_id } = grant;
  const one = await joinSrtAs(thread, grant, first, options);
  await gateway.logged(`${first}_pending`, { session_id });
  const other = await joinSrtAs(thread, grant, first === "server" ? "client" : "server", options);
  await gateway.logged("paired", { session_id });
  const [client, server] = first === "server" ? [other, one] : [one, other];
  return { grant, client, server };
}
