/** Loading the configuration and checking the files that it names, as one. */
import { loadConfig, type LoadedConfig, type LoadOptions } from "./load.ts";
import { ConfigError } from "./problem.ts";
import { signatureKeyProblems } from "./rlx1-keys.ts";
import { tlsFileProblems } from "./tls-files.ts";

/** Like `loadConfig`; a file that cannot be used is a wrong value of the key that names it. */
export function loadWithFiles(options: LoadOptions): LoadedConfig {
  const loaded = loadConfig(options);
  const problems = [...tlsFileProblems(loaded), ...signatureKeyProblems(loaded)];
  if (problems.length > 0) throw new ConfigError(problems);
  return loaded;
}
