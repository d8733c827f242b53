import { expect, test } from "bun:test";
import type { Libsrt } from "../../../../ffi/libsrt/mod.ts";
import { Passphrases, PassphrasesError, ruleOfPort } from "../../../../src/data/srt/passphrases.ts";
import { parseStreamId } from "../../../../src/data/srt/stream-id.ts";

const socket = 7;
const id = (text: string) => parseStreamId(new TextEncoder().encode(text));

/** The hook's table with room for two; a handshake takes what is there at that moment. */
class FakeHook {
  readonly entries = new Map<string, number>();
  attached: number[] = [];
  #made = 0;
  #taken = 0;

  listen_hook_owner = () => 1;
  listen_hook_attach = (listener: number) => {
    this.attached.push(listener);
    return listener === 13 ? -1 : 0;
  };
  listen_hook_put = (_: number, name: Uint8Array) => {
    const key = new TextDecoder().decode(name);
    if (this.entries.size === 2 && !this.entries.has(key)) return 0;
    this.entries.set(key, ++this.#made);
    return this.#made;
  };
  listen_hook_remove = (_: number, name: Uint8Array) =>
    Number(this.entries.delete(new TextDecoder().decode(name)));
  listen_hook_clear = () => this.entries.clear();
  listen_hook_taken = () => this.#taken;

  shake(name: string): void {
    this.#taken = this.entries.get(name) ?? 0;
  }
}

function setUp({ passphrase = "", hook = new FakeHook() as FakeHook | null } = {}) {
  const libsrt = { listenHook: hook } as unknown as Libsrt;
  return { hook: hook!, passphrases: new Passphrases({ libsrt, passphrase, pbkeylen: 16 }) };
}

test("what has none is as the port is", () => {
  for (const passphrase of ["", "everybody's"]) {
    const { passphrases } = setUp({ passphrase });
    for (const text of ["", "read:cam", "#!::s=1", "whatever", "#!::"]) {
      expect(passphrases.ruleFor(socket, id(text))).toEqual(ruleOfPort(passphrase));
    }
  }
});

test("a stream and a session of one name are two", () => {
  const { hook, passphrases } = setUp();
  passphrases.set("stream", "cam", "correct horse");
  hook.shake("rcam");
  expect(passphrases.ruleFor(socket, id("read:cam"))).toEqual({
    encrypted: true,
    whose: 'the stream "cam"',
    fits: true,
  });
  expect(passphrases.has("session", "cam")).toBe(false);
  // The handshake was with a stream's passphrase, and the id that was accepted is a session's.
  expect(passphrases.ruleFor(socket, id("#!::s=cam"))).toMatchObject({ fits: false });
});

test("a handshake counts for the name and the passphrase that it was made with, and no other", () => {
  const { hook, passphrases } = setUp({ passphrase: "everybody's" });
  const fits = (text: string) => passphrases.ruleFor(socket, id(text)).fits;
  hook.shake("rcam");
  passphrases.set("stream", "cam", "correct horse");
  // It was over before the stream had a passphrase.
  expect(fits("read:cam")).toBe(false);
  hook.shake("rcam");
  expect(fits("read:cam")).toBe(true);
  // Another stream id was accepted than the one that the hook saw.
  expect(fits("read:screen")).toBe(false);
  expect(fits("")).toBe(false);
  passphrases.set("stream", "cam", "another horse");
  expect(fits("read:cam")).toBe(false);
  hook.shake("rcam");
  passphrases.delete("stream", "cam");
  expect(fits("read:cam")).toBe(false);
  hook.shake("rcam");
  expect(passphrases.ruleFor(socket, id("read:cam"))).toEqual(ruleOfPort("everybody's"));
});

test("says when there is no room, and when the library cannot do it at all", () => {
  const { hook, passphrases } = setUp();
  passphrases.set("session", "1", "correct horse");
  passphrases.set("session", "2", "correct horse");
  passphrases.set("session", "2", "another horse");
  expect(() => passphrases.set("session", "3", "correct horse")).toThrow(PassphrasesError);
  expect(passphrases.has("session", "3")).toBe(false);
  passphrases.attach(5);
  expect(() => passphrases.attach(13)).toThrow("srt_listen_callback");
  expect(hook.attached).toEqual([5, 13]);
  passphrases.close();
  expect(hook.entries.size).toBe(0);
  const without = setUp({ hook: null }).passphrases;
  without.attach(5);
  without.delete("stream", "cam");
  expect(() => without.set("stream", "cam", "correct horse")).toThrow("this libsrt knows one");
  expect(without.ruleFor(socket, id("read:cam"))).toEqual(ruleOfPort(""));
  without.close();
});
