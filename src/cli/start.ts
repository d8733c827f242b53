/** `relayx start` and `relayx fastway`: load the configuration, open the log, serve until told to stop. */
import process from "node:process";
import { type AccessFiles, readAccessFiles } from "../access/access-files.ts";
import type { LoadedConfig, Wishes } from "../config/load.ts";
import { loadWithFiles } from "../config/load-with-files.ts";
import { ConfigError } from "../config/problem.ts";
import type { Config } from "../config/schema.ts";
import { type Log, LogOpenError, type OpenLog, openLog } from "../observe/log.ts";
import { PRODUCT_VERSION, PROTOCOL_VERSION, runtimeVersion } from "../version.ts";
import { EXIT } from "./exit-code.ts";
import type { Surroundings } from "./program.ts";
import type { ProcessSubject } from "./fastway-process/fastway-process.ts";
import { Service } from "./service.ts";
import { takeServiceEnvironment } from "./service-environment.ts";
import { ServiceNotifier } from "./service-notifier.ts";
import { statusLine } from "./status-line.ts";

/** Starts the gateway and resolves with the exit code when it has ended. */
export async function start(
  options: { path: string | undefined; around: Surroundings; wishes?: Wishes },
): Promise<number> {
  const { path, around, wishes } = options;
  // Whoever renews a certificate may say so before the service listens and after it has stopped to;
  // by itself the signal would end the process there and then, with the log's last lines unwritten.
  process.on("SIGHUP", () => {});
  const supervised = takeServiceEnvironment(process.env, process.pid);
  let loaded: LoadedConfig;
  let files: AccessFiles;
  let log: OpenLog;
  try {
    loaded = loadWithFiles({ path, env: around.env, wishes });
    files = readAccessFiles(loaded.config);
    log = await openConfiguredLog(loaded);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    around.stderr(`${error.message}\n`);
    return EXIT.usage;
  }
  const { config, source } = loaded;
  log.info({
    status: "starting",
    version: PRODUCT_VERSION,
    protocol: PROTOCOL_VERSION,
    runtime: runtimeVersion(),
    pid: process.pid,
    config: source ?? "defaults",
  }, "relayx is starting");
  tellWarnings(log, loaded);

  const { Gateway } = await import("../gateway.ts");
  const gateway = new Gateway({
    config,
    files,
    log,
    version: PRODUCT_VERSION,
    load: () => {
      const again = loadWithFiles({ path, env: around.env, wishes });
      tellWarnings(log, again);
      return again.config;
    },
    setLogLevel: (level) => log.setLevel(level),
    protocol: PROTOCOL_VERSION,
    runtime: runtimeVersion(),
    logLinesLost: () => log.snapshot().lines_lost,
  });
  const { NotifySocket } = await import("../data/notify-socket.ts");
  const service = new Service({
    gateway,
    log,
    host: process,
    complain: (message) => around.stderr(`relayx: ${message}\n`),
    notifier: supervised && new ServiceNotifier({
      channel: new NotifySocket({ path: supervised.notify_socket }),
      log,
      watchdog: supervised.watchdog_ms === null ? null : {
        patience_ms: supervised.watchdog_ms,
        alive: (within_ms) => gateway.beat(within_ms),
      },
      describe: () => statusLine(gateway.snapshot()),
    }),
  });
  const habits = await processHabits(config, log, gateway);
  habits?.start();
  try {
    return await service.run();
  } finally {
    habits?.close();
  }
}

/** fastway's files and its signal, where fastway is served; loaded only there. */
async function processHabits({ fastway }: Config, log: Log, gateway: ProcessSubject) {
  const folder = fastway?.process_folder ?? "";
  if (folder === "") return null;
  const { FastwayProcess } = await import("./fastway-process/fastway-process.ts");
  return new FastwayProcess({ folder, pid: process.pid, log, host: process, gateway });
}

/** What is taken as it is and probably not meant so. */
function tellWarnings(log: OpenLog, { warnings }: LoadedConfig): void {
  for (const { key, found, allowed } of warnings) {
    log.warn(
      { status: "config_warning", setting: key, found, allowed },
      "the configuration has a value that is probably not meant so",
    );
  }
}

/** A log file that cannot be written is a wrong value of `logging.file_path`. */
async function openConfiguredLog(loaded: LoadedConfig): Promise<OpenLog> {
  try {
    return await openLog({ logging: loaded.config.logging });
  } catch (error) {
    if (!(error instanceof LogOpenError)) throw error;
    throw new ConfigError([
      loaded.problem(
        "logging.file_path",
        "unwritable",
        `${JSON.stringify(error.path)}, which cannot be opened for writing (${error.code})`,
        "a file that this user may write, in a folder where it may create files; " +
          "or logging.output console",
      ),
    ]);
  }
}
