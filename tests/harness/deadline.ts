/**
 * Deadlines with a name. Nothing in the tests sleeps: every wait is for an event, and a wait that
 * does not come true says what it was waiting for.
 */

/** How long an event may take before a test gives up; generous, it is only ever paid by failures. */
export const patience_ms = 15_000;

/** A deadline of the gateway's where it is not what a test is about: a busy machine takes its time. */
export const UNHURRIED_MS = 20_000;

/** Settles like `work`, or rejects after `ms` with a sentence that names what was awaited. */
export async function within<T>(label: string, work: Promise<T>, ms = patience_ms): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${label}: not within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** A promise with its two ends in the open, for events that come from callbacks. */
export interface Deferred<T> {
  promise: Promise<T>;
  resolve(value: T): void;
  reject(error: Error): void;
}

export function deferred<T>(): Deferred<T> {
  let resolve!: (value: T) => void;
  let reject!: (error: Error) => void;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  // A rejection nobody is waiting for yet must not end the test process.
  promise.catch(() => {});
  return { promise, resolve, reject };
}

/** One turn of the event loop, so that what was written leaves in a segment of its own. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
