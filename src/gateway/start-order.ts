/**
 * What must start before anybody is served, each with words for its failure. State that cannot be
 * kept, a plane without its library and a taken port are the world's doing: the message says what was
 * found and what to do.
 */
import type { Access } from "../access/access.ts";
import type { Config } from "../config/schema.ts";
import { ListenError } from "../control/listeners.ts";
import type { ControlServer } from "../control/server.ts";
import { FastwayListenError } from "../data/fastway/plane.ts";
import type { Plane } from "../data/plane.ts";
import { FastwayDoorError } from "../planes/fastway/door.ts";
import type { Fastway, ServedFastway } from "../planes/fastway/fastway.ts";
import type { Rlx1 } from "../planes/rlx1/rlx1.ts";
import type { PerPlane } from "../sessions/session-table.ts";

export type GatewayStartCode =
  | "STATE_UNAVAILABLE"
  | "TCP_PLANE_UNAVAILABLE"
  | "SRT_PLANE_UNAVAILABLE"
  | "FASTWAY_PLANE_UNAVAILABLE"
  | "FASTWAY_PORT_UNAVAILABLE"
  | "CONTROL_PORT_UNAVAILABLE"
  | "TLS_UNAVAILABLE";

/** The gateway cannot serve; the message says what was found and what to do. */
export class GatewayStartError extends Error {
  override name = "GatewayStartError";
  readonly code: GatewayStartCode;
  constructor(code: GatewayStartCode, message: string, cause: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

export function startAccess(access: Access, { state }: Config): void {
  try {
    access.start();
  } catch (error) {
    throw new GatewayStartError(
      "STATE_UNAVAILABLE",
      `state.directory ${state.directory} cannot be made: ${reasonOf(error)}; ` +
        "name a folder that this user may write to, or none",
      error,
    );
  }
}

export async function startPlanes(planes: PerPlane<Plane>, rlx1: Rlx1 | null): Promise<void> {
  const starts = await Promise.allSettled([planes.zmq.start(), planes.srt.start(), rlx1?.start()]);
  const names = [
    ["TCP_PLANE_UNAVAILABLE", "the TCP data plane"],
    ["SRT_PLANE_UNAVAILABLE", "the SRT data plane"],
    ["TCP_PLANE_UNAVAILABLE", "the TCP data plane of relay_X v1"],
  ] as const;
  starts.forEach((start, at) => {
    if (start.status === "fulfilled") return;
    const [code, name] = names[at];
    const message = `${name} cannot start: ${reasonOf(start.reason)}`;
    throw new GatewayStartError(code, message, start.reason);
  });
}

export async function startFastway(
  plane: Fastway,
  { fastway }: Config,
): Promise<ServedFastway> {
  try {
    return await plane.start();
  } catch (error) {
    if (error instanceof FastwayDoorError) {
      const message = `TLS cannot be offered for fastway: ${reasonOf(error)}; see ${error.key}`;
      throw new GatewayStartError("TLS_UNAVAILABLE", message, error);
    }
    if (!(error instanceof FastwayListenError)) {
      const message = `the data plane of fastway cannot start: ${reasonOf(error)}`;
      throw new GatewayStartError("FASTWAY_PLANE_UNAVAILABLE", message, error);
    }
    const { side } = error;
    const key = side === "client" ? "ClientAddr" : "ServerAddr";
    const { host, port } = fastway?.[key] ?? { host: "", port: 0 };
    throw new GatewayStartError(
      "FASTWAY_PORT_UNAVAILABLE",
      `the port ${port} for ${side}s of fastway cannot be opened on ${host || "all addresses"}: ` +
        `${reasonOf(error)}; stop the program that has it, or set fastway.${key}`,
      error,
    );
  }
}

/** What the ports are for, in words, by their keys. */
const LISTENERS = {
  "gateway.tcp_port": "control port",
  "tls.port": "port for TLS",
  "rlx1.control_port": "control port of v1",
} as const satisfies Record<ListenError["key"], string>;

export async function startControl(
  control: ControlServer,
  { gateway }: Config,
): Promise<{ control_port: number; tls_port: number | null }> {
  try {
    return await control.start();
  } catch (error) {
    if (!(error instanceof ListenError)) {
      const message = `TLS cannot be offered on the control port: ${reasonOf(error)}`;
      throw new GatewayStartError("TLS_UNAVAILABLE", message, error);
    }
    const { key, port } = error;
    throw new GatewayStartError(
      "CONTROL_PORT_UNAVAILABLE",
      `the ${LISTENERS[key]} ${port} cannot be opened on ${gateway.bind_address}: ` +
        `${reasonOf(error)}; stop the program that has it, or set ${key} or gateway.bind_address`,
      error,
    );
  }
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
