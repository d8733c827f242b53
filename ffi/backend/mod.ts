/** Chooses the backend of the runtime that runs. The other one is never loaded. */
import type { Backend } from "./backend.ts";

export type {
  Backend,
  Calls,
  NativeBuffer,
  NativeLibrary,
  Pointer,
  SymbolTable,
} from "./backend.ts";

/** The name under which every runtime with native calls shows itself. */
const runtimes = globalThis as { Bun?: unknown; Deno?: unknown };

export const backend: Backend = await choose();

async function choose(): Promise<Backend> {
  if (runtimes.Bun) return (await import("./bun.ts")).bunBackend;
  if (runtimes.Deno) return (await import("./deno.ts")).denoBackend;
  throw new Error(
    "Cannot call native code: this runtime is neither Bun nor Deno. Run relayx's own binary, Bun or Deno.",
  );
}
