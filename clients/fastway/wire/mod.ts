/** The wire of fastway, which its clients and the gateway share. No input, no output, no clock. */
export * from "./frames.ts";
export * from "./server-proof.ts";
