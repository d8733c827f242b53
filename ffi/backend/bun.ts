/** Native calls by `bun:ffi`. */
import { CString, dlopen, type Pointer as BunPointer, ptr, read } from "bun:ffi";
import type { Backend, Calls, NativeLibrary, NativeType, Pointer, SymbolTable } from "./backend.ts";

// A typed array passes as "ptr" in Bun; a plain address does too.
const names: Record<NativeType, "i32" | "u32" | "i64" | "usize" | "ptr" | "void"> = {
  i32: "i32",
  u32: "u32",
  i64: "i64",
  usize: "usize",
  pointer: "ptr",
  buffer: "ptr",
  void: "void",
};

// On this runtime an address is a number; the brand keeps it from being used as one.
const raw = (from: Pointer): BunPointer => from as unknown as BunPointer;

export const bunBackend: Backend = {
  runtime: "bun",
  open<T extends SymbolTable>(path: string, symbols: T): NativeLibrary<T> {
    const table: Record<string, { args: NativeTypeName[]; returns: NativeTypeName }> = {};
    for (const [name, { parameters, result }] of Object.entries(symbols)) {
      table[name] = { args: parameters.map((type) => names[type]), returns: names[result] };
    }
    const library = dlopen(path, table);
    return {
      calls: library.symbols as unknown as Calls<T>,
      close: () => library.close(),
    };
  },
  readInt32: (from) => read.i32(raw(from), 0),
  readText: (from) => new CString(raw(from)).toString(),
  addressOf: (memory) => ptr(memory) as unknown as number,
};

type NativeTypeName = (typeof names)[NativeType];
