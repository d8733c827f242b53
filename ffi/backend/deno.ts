/** Native calls by `Deno.dlopen`. */
import type {
  Backend,
  Calls,
  NativeBuffer,
  NativeLibrary,
  NativeType,
  Pointer,
  SymbolTable,
} from "./backend.ts";

/** The part of Deno used here; declared because the other runtime's checker does not know it. */
declare const Deno: {
  dlopen(
    path: string,
    symbols: Record<string, { parameters: readonly NativeType[]; result: NativeType }>,
  ): { symbols: unknown; close(): void };
  UnsafePointer: {
    of(memory: NativeBuffer): Pointer;
    value(pointer: Pointer): bigint;
  };
  UnsafePointerView: {
    new (pointer: Pointer): { getInt32(offset?: number): number; getCString(): string };
  };
};

export const denoBackend: Backend = {
  runtime: "deno",
  open<T extends SymbolTable>(path: string, symbols: T): NativeLibrary<T> {
    const library = Deno.dlopen(path, symbols);
    return { calls: library.symbols as Calls<T>, close: () => library.close() };
  },
  readInt32: (from) => new Deno.UnsafePointerView(from).getInt32(),
  readText: (from) => new Deno.UnsafePointerView(from).getCString(),
  addressOf: (memory) => Number(Deno.UnsafePointer.value(Deno.UnsafePointer.of(memory))),
};
