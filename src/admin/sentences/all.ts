/** A sentence for every word that the log has in `status`. */
import type { RecordedEvent } from "../../observe/event.ts";
import { FASTWAY } from "./fastway.ts";
import { FASTWAY_PROCESS } from "./fastway-process.ts";
import { FIRST_GENERATION } from "./first-generation.ts";
import { GATEWAY } from "./gateway.ts";
import { PAIRING } from "./pairing.ts";
import { REGISTRATION } from "./registration.ts";
import { SESSION, STREAMS, TURNED_AWAY } from "./session.ts";
import type { Sentences } from "./words.ts";
import { words } from "./words.ts";

export const SENTENCES: Sentences = Object.freeze({
  ...REGISTRATION,
  ...PAIRING,
  ...SESSION,
  ...TURNED_AWAY,
  ...STREAMS,
  ...FIRST_GENERATION,
  ...FASTWAY,
  ...FASTWAY_PROCESS,
  ...GATEWAY,
});

/** What an event says; lines without a status say it in their message. */
export function sentenceOf({ status, message, fields }: RecordedEvent): string {
  return Object.hasOwn(SENTENCES, status) ? SENTENCES[status](fields) : `${words(message)}.`;
}
