/** The wire of fastway, which its clients and the gateway share. No input, no output, no clock. */
export * from "./dh64.ts";
export * from "./frames.ts";
export * from "./rc4.ts";
export * from "./server-proof.ts";
export * from "./snet.ts";
