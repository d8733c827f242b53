/**
 * Reading the configuration anew and living by it: what can change does so at once, without touching
 * what runs, and the rest is named. Where the new one is wrong nothing has changed.
 */
import { type AccessFiles, readAccessFiles } from "../access/access-files.ts";
import type { ReloadAnswer } from "../admin/answers.ts";
import { type Changes, changesBetween } from "../config/changes.ts";
import { crossCheck } from "../config/cross-checks.ts";
import { ConfigError } from "../config/problem.ts";
import type { Config } from "../config/schema.ts";
import type { Log } from "../observe/log.ts";

export interface ReloadsOptions {
  log: Log;
  /** Reads the configuration anew, or throws a {@link ConfigError}; null: it cannot change. */
  load: (() => Config) | null;
  running: () => Config;
  /** Throws a {@link ConfigError} where some part cannot do what the configuration wants. */
  check: (config: Config) => void;
  apply: (config: Config, files: AccessFiles) => void;
}

export class Reloads {
  readonly #options: ReloadsOptions;
  #latest: Promise<void> = Promise.resolve();

  constructor(options: ReloadsOptions) {
    this.#options = options;
  }

  /** Rejects with a {@link ConfigError}; `by` goes into the log. */
  reload(by: string): Promise<ReloadAnswer> {
    const reload = this.#latest.then(() => this.#reload(by));
    // The next one waits for this one, however it ends.
    this.#latest = reload.then(() => {}, () => {});
    return reload;
  }

  #reload(by: string): ReloadAnswer {
    const { log, load, running, check, apply } = this.#options;
    if (load === null) throw noConfiguration();
    let changes: Changes;
    let files: AccessFiles;
    try {
      changes = changesBetween(running(), load());
      refuseContradictions(changes);
      check(changes.config);
      files = readAccessFiles(changes.config);
    } catch (error) {
      log.error(
        {
          status: "reload_refused",
          by,
          error: error instanceof Error ? error.message : String(error),
        },
        "the new configuration is wrong; everything stays as it was",
      );
      throw error;
    }
    const { config, applied, needs_restart } = changes;
    apply(config, files);
    log.info(
      { status: "reloaded", by, applied, needs_restart },
      needs_restart.length === 0
        ? "the new configuration is in force"
        : "the new configuration is in force, except for what needs a restart",
    );
    return { applied, needs_restart };
  }
}

function noConfiguration(): ConfigError {
  return new ConfigError([{
    file: null,
    line: null,
    column: null,
    key: "",
    code: "no_configuration",
    found: "a gateway that was started without a configuration",
    allowed: "a restart",
  }]);
}

/** What is new may contradict what has to wait for a restart. */
function refuseContradictions({ config, needs_restart }: Changes): void {
  const findings = crossCheck(config, new Set());
  if (findings.length === 0) return;
  throw new ConfigError(findings.map(({ keys, path, code, found, allowed }) => ({
    file: null,
    line: null,
    column: null,
    key: path?.join(".") ?? keys[0],
    code,
    found: `${found}, as ${needs_restart.join(", ")} cannot change while relayx runs`,
    allowed: `a restart with the new configuration, or ${allowed}`,
  })));
}
