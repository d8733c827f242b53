/**
 * What a runtime must offer so that native code can be called from it. Everything above this file is
 * the same for every runtime; everything below knows exactly one.
 *
 * Types are the few that Linux system calls and libsrt need. A 64-bit result does not exist here on
 * purpose: runtimes disagree on number or bigint, and no call made here returns more than 31 bits
 * (the longest transfer asked for is 1 MiB).
 */

/** C types by the name that says what the caller passes. */
export type NativeType =
  /** `int`, `int32_t`, and a `ssize_t` whose call is limited to 2^31 − 1. */
  | "i32"
  /** `unsigned int`, `uint32_t`. */
  | "u32"
  /** `int64_t` as a parameter only: a safe integer. */
  | "i64"
  /** `size_t` as a parameter only: a safe integer. */
  | "usize"
  /** An address that native code gave us, or null. */
  | "pointer"
  /** Memory of ours: any typed array, or null for NULL. It may be written to. */
  | "buffer"
  | "void";

/** One C function: its parameters in order, each named in the tables by its C prototype. */
export interface NativeFunction {
  readonly parameters: readonly NativeType[];
  readonly result: "i32" | "u32" | "pointer" | "void";
}

export type SymbolTable = Readonly<Record<string, NativeFunction>>;

declare const address: unique symbol;
/** An address in native memory; only a backend can read behind it. */
export type Pointer = { readonly [address]: true };

/** Memory that may be handed to native code. */
export type NativeBuffer =
  | Uint8Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float64Array;

interface ParameterTypes {
  i32: number;
  u32: number;
  i64: number;
  usize: number;
  pointer: Pointer | null;
  buffer: NativeBuffer | null;
  void: never;
}

interface ResultTypes {
  i32: number;
  u32: number;
  pointer: Pointer | null;
  void: void;
}

type Arguments<P extends readonly NativeType[]> = {
  -readonly [K in keyof P]: ParameterTypes[P[K]];
};

/** The callable form of a symbol table. */
export type Calls<T extends SymbolTable> = {
  readonly [K in keyof T]: (
    ...args: Arguments<T[K]["parameters"]>
  ) => ResultTypes[T[K]["result"]];
};

/** A library that has been opened. */
export interface NativeLibrary<T extends SymbolTable> {
  readonly calls: Calls<T>;
  close(): void;
}

/** A runtime's way into native code. */
export interface Backend {
  readonly runtime: "bun" | "deno";
  /** Opens a shared library; throws when it, or one of the symbols, is not there. */
  open<T extends SymbolTable>(path: string, symbols: T): NativeLibrary<T>;
  /** The `int` at an address. */
  readInt32(from: Pointer): number;
  /** The NUL-terminated text at an address. */
  readText(from: Pointer): string;
  /**
   * Where memory of ours is, as a safe integer, for structures that hold addresses. It stays there as
   * long as the array is reachable, which is the caller's to see to.
   */
  addressOf(memory: NativeBuffer): number;
}
