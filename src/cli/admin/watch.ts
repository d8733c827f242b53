/** Waiting that an interrupt ends. */
import { clearTimeout, setTimeout } from "node:timers";
import { AdminError } from "../../tools/admin-client.ts";

/** Between two attempts to reach a gateway that does not answer. */
const AGAIN_MS = 1000;

/** True after the time; false as soon as the signal is aborted. */
export function sleepUnlessAborted(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const onAbort = () => {
      clearTimeout(timer);
      resolve(false);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", onAbort);
      resolve(true);
    }, ms);
    signal.addEventListener("abort", onAbort, { once: true });
  });
}

/**
 * Asks until there is an answer, however long the gateway is gone: it may be about to start again. Null
 * once the signal is aborted. `onLost` hears of the first of several failures in a row.
 */
export async function askUntilAnswered<Answer>(
  ask: () => Promise<Answer>,
  { signal, onLost }: { signal: AbortSignal; onLost: (error: AdminError) => void },
): Promise<Answer | null> {
  for (let failures = 0;; failures++) {
    try {
      return await ask();
    } catch (error) {
      if (signal.aborted) return null;
      if (!(error instanceof AdminError) || error.code !== "no_answer") throw error;
      if (failures === 0) onLost(error);
    }
    if (!await sleepUnlessAborted(AGAIN_MS, signal)) return null;
  }
}
