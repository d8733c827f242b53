/**
 * Where each worker's module is, relative to this file. In the compiled binary `build.ts` puts another
 * text in the place of this module, because the workers are bundled and embedded there.
 */
export const workerModules = {
  tcp: "./data/tcp/worker.ts",
  srt: "./data/srt/worker.ts",
  fastway: "./data/fastway/worker.ts",
  "fastway-door": "./data/fastway/door/worker.ts",
  "video-srt": "./tools/video/srt-worker.ts",
} as const;

export type WorkerName = keyof typeof workerModules;

/** What `new Worker()` takes. */
export function workerUrl(name: WorkerName): URL | string {
  return new URL(workerModules[name], import.meta.url);
}
