/** Lets one loop wait until something has happened, without missing what happens in between. */
export class Bell {
  #rung = false;
  #wake: (() => void) | null = null;

  ring(): void {
    this.#rung = true;
    this.#wake?.();
  }

  /** Resolves true when the bell has rung since the last wait, false after `timeout_ms`. */
  wait(timeout_ms: number): Promise<boolean> {
    if (this.#rung) {
      this.#rung = false;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => done(false), timeout_ms);
      const done = (rung: boolean) => {
        clearTimeout(timer);
        this.#wake = null;
        this.#rung = false;
        resolve(rung);
      };
      this.#wake = () => done(true);
    });
  }
}
