/**
 * What a chat server and its clients say to each other: a message is one JSON object in UTF-8.
 *
 *   client → server   {"type":"join","room","name"}, {"type":"say","text"}, {"type":"leave"}
 *   server → client   {"type":"joined","room","names"}, {"type":"came","name"}, {"type":"left","name"},
 *                     {"type":"said","name","text"}, {"type":"refused","reason"}
 *   server → client, in a conversation that the server has begun, once: {"type":"notice","text"}
 */
import type { VirtualConnection } from "../mod.ts";

export const NAME_CHARS_MAX = 32;
export const TEXT_CHARS_MAX = 1000;

/** The texts of a message; each is there or it is not. */
export interface Words {
  type: string;
  room?: string;
  name?: string;
  text?: string;
  reason?: string;
  names?: string[];
}

export function tell(
  connection: VirtualConnection,
  words: Words,
): Promise<void> {
  return connection.send(new TextEncoder().encode(JSON.stringify(words)), { transfer: true });
}

/** Null for what is none of these messages. */
export function understand(message: Uint8Array): Words | null {
  try {
    const found: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(message));
    if (typeof found !== "object" || found === null) return null;
    const { type, names, ...texts } = found as Record<string, unknown>;
    if (typeof type !== "string") return null;
    if (Object.values(texts).some((text) => typeof text !== "string")) {
      return null;
    }
    if (names !== undefined && !Array.isArray(names)) return null;
    return { ...texts, type, names: names?.map(String) };
  } catch {
    return null;
  }
}
