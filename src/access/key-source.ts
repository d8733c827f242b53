/** Where the keys that JWTs are checked with come from: a file, read with the configuration. */
import type { VerificationKey } from "./jwt-keys.ts";

export interface KeySource {
  /** The keys as they are known now; null while none could be had at all. */
  keys(): readonly VerificationKey[] | null;
  /** Newer keys could not be had the last time: a key that is not known may all the same be good. */
  readonly failing: boolean;
  /** Resolves when newer keys are there, or when there are none to be had for now. */
  renew(): Promise<void>;
  /**
   * A key that is gone was taken back, and so is what it has signed. Not so where keys come and go by
   * rotation.
   */
  readonly gone_is_revoked: boolean;
}

export class FixedKeys implements KeySource {
  readonly gone_is_revoked = true;
  readonly failing = false;
  readonly #keys: readonly VerificationKey[];

  constructor(options: { keys: readonly VerificationKey[] }) {
    this.#keys = options.keys;
  }

  keys(): readonly VerificationKey[] {
    return this.#keys;
  }

  renew(): Promise<void> {
    return Promise.resolve();
  }
}
