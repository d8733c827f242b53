/**
 * Where everything that a worker receives is looked at, and where the commands that it makes itself are
 * written: one block, so that a stretch of either is a pair of places in it.
 *
 *   0         8                        64 KiB + 8            + 16 KiB
 *   │ carried │ what a read has brought │ commands of our own │
 *
 * The first bytes are for the beginning of a frame's head that an earlier read of the same endpoint
 * has brought: it is put before what comes next, so that the head is in one piece.
 */
import { HEAD_BYTES } from "../../../clients/fastway/wire/frames.ts";
import { Block } from "./pieces.ts";

/** What one endpoint may bring in one turn. */
export const READ_BYTES = 64 * 1024;
const COMMANDS_BYTES = 16 * 1024;

/** Where reads begin. */
export const READ_AT = HEAD_BYTES;
export const COMMANDS_AT = READ_AT + READ_BYTES;

export class ReceiveArea extends Block {
  readonly view: DataView;
  /** Where the next command of our own goes. */
  commands_to = COMMANDS_AT;

  constructor() {
    super(COMMANDS_AT + COMMANDS_BYTES);
    this.view = new DataView(this.bytes.buffer);
  }
}
