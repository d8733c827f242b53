/** The native seam: libc and libsrt for Bun and Deno. */
export { openLibc } from "./libc/mod.ts";
export type { Libc } from "./libc/mod.ts";
export { openLibsrt } from "./libsrt/mod.ts";
export type { Libsrt } from "./libsrt/mod.ts";
