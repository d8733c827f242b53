/** What the admin side sees of the gateway and may order it to do; the gateway implements it. */
import type { Role, StreamListing } from "../data/plane.ts";
import type {
  BanOrder,
  BanRow,
  EndpointsAnswer,
  GatewayAnswer,
  PortsAnswer,
  RegistrationRow,
  ReloadAnswer,
  SessionRow,
} from "./answers.ts";

/** Which endpoints are asked for. */
export interface EndpointQuery {
  side?: Role;
  id?: number;
  /** Those with a greater number. */
  after: number;
  limit: number;
}

export interface AdminSource {
  gateway(): GatewayAnswer;
  ports(): PortsAnswer;
  registrations(): RegistrationRow[];
  sessions(): SessionRow[];
  /** Null: there is none. */
  session(session_id: string): SessionRow | null;
  streams(): StreamListing[];
  bans(): BanRow[];
  /** Endpoints of fastway in the order of their numbers; null where it is not served. */
  endpoints(query: EndpointQuery): EndpointsAnswer | null;

  /** Ends a session; false where there is none. `by` goes into the log. */
  kickSession(session_id: string, by: string): boolean;
  /** Ends a registration and, if asked, its sessions; null where there is none, else how many ended. */
  kickRegistration(role: Role, id: string, options: { sessions: boolean; by: string }):
    | number
    | null;
  /** Ends an endpoint of fastway; false where there is none. */
  kickEndpoint(endpoint: number): boolean;
  /** Throws {@link OrderError} for a subject that cannot be read. */
  ban(order: BanOrder, by: string): BanRow;
  unban(subject: string, by: string): boolean;
  drain(deadline_ms: number | null, by: string): void;
  undrain(by: string): void;
  /** Rejects with a `ConfigError` where the new configuration is wrong; nothing has changed then. */
  reload(by: string): Promise<ReloadAnswer>;

  /** Reasons why the gateway should get no new clients now; empty: it is ready. */
  notReady(): string[];
}

/** An order that cannot be carried out as it is; the caller's mistake. */
export class OrderError extends Error {
  override name = "OrderError";
  readonly code: string;
  readonly found: string;
  readonly allowed: string;
  constructor(code: string, found: string, allowed: string) {
    super(`found ${found}; allowed: ${allowed}`);
    this.code = code;
    this.found = found;
    this.allowed = allowed;
  }
}
