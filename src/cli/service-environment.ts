/**
 * What a supervisor such as systemd says to the service in its environment: where to report, and how
 * often it wants to hear that all is well. The variables are taken out of it, so that no child of
 * ours can speak in our name.
 */
export interface ServiceEnvironment {
  /** The Unix socket to report to: a path, or a name with `@` in front. */
  notify_socket: string;
  /** How long the supervisor waits for a sign of life, ms; null where it asks for none. */
  watchdog_ms: number | null;
}

/** Null where nobody supervises: nothing is reported then, and nothing else changes. */
export function takeServiceEnvironment(
  env: Record<string, string | undefined>,
  pid: number,
): ServiceEnvironment | null {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env;
  delete env.NOTIFY_SOCKET;
  delete env.WATCHDOG_USEC;
  delete env.WATCHDOG_PID;
  if (!NOTIFY_SOCKET) return null;
  // A watchdog that is meant for another process, such as a shell around us, is none of ours.
  const ours = WATCHDOG_PID === undefined || WATCHDOG_PID === String(pid);
  const us = /^[1-9]\d{0,15}$/.test(WATCHDOG_USEC ?? "") ? Number(WATCHDOG_USEC) : null;
  return { notify_socket: NOTIFY_SOCKET, watchdog_ms: ours && us !== null ? us / 1000 : null };
}
