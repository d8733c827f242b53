/** The admin API of a running gateway, as the commands use it. */
import type { z } from "zod";
import { errorAnswer } from "../admin/answers.ts";
import { askHttp, hostAndPort, type HttpAnswer, NoAnswer } from "./http-json.ts";
import { printable } from "./printable.ts";

/** A gateway answers within milliseconds, unless it is in trouble itself. */
const ANSWER_MS_MAX = 5000;
/** 10,000 sessions take some 6 MB. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

/** The gateway did not do what was asked; the message says why and what to do. */
export class AdminError extends Error {
  override name = "AdminError";
  /** The API's own word, or `no_answer`, or `not_relayx`. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface AdminAddress {
  host: string;
  port: number;
  /** Empty: none is needed. */
  token: string;
}

interface Order {
  method?: "GET" | "POST" | "DELETE";
  body?: unknown;
  /** On top of the usual, for an answer that the gateway holds back. */
  wait_ms?: number;
  signal?: AbortSignal;
}

export class AdminClient {
  readonly #address: AdminAddress;
  readonly #at: string;

  constructor(address: AdminAddress) {
    this.#address = address;
    this.#at = hostAndPort(address);
  }

  /** Rejects with {@link AdminError} for a refusal and where nothing that is a gateway answers. */
  async ask<Shape extends z.ZodType>(
    path: string,
    shape: Shape,
    order: Order = {},
  ): Promise<z.output<Shape>> {
    const { status, body } = await this.answer(path, order);
    const value = parsed(body);
    if (status !== 200) throw this.#refusal(status, value);
    const read = shape.safeParse(value);
    if (read.success) return read.data;
    const { path: where, message } = read.error.issues[0];
    throw new AdminError(
      "not_relayx",
      `what answers at ${this.#at} is no relayx of this version: ` +
        printable(`${where.join(".") || "the whole"}: ${message}`, 200),
    );
  }

  /** The answer as it is, whatever its status. */
  async answer(path: string, { method, body, wait_ms = 0, signal }: Order): Promise<HttpAnswer> {
    const { host, port, token } = this.#address;
    try {
      return await askHttp({
        host,
        port,
        path,
        method,
        body,
        signal,
        headers: token === "" ? {} : { authorization: `Bearer ${token}` },
        answer_ms_max: ANSWER_MS_MAX + wait_ms,
        answer_bytes_max: ANSWER_BYTES_MAX,
      });
    } catch (error) {
      if (!(error instanceof NoAnswer)) throw error;
      throw new AdminError(
        "no_answer",
        `no answer from ${this.#at} (${printable(error.message, 200)}); is the gateway running, ` +
          "and is that its admin address (admin.bind_address, admin.port)?",
      );
    }
  }

  #refusal(status: number, value: unknown): AdminError {
    const read = errorAnswer.safeParse(value);
    if (!read.success) {
      return new AdminError("not_relayx", `${this.#at} answers with HTTP status ${status}`);
    }
    const { code, found, allowed } = read.data;
    return new AdminError(
      code,
      `${printable(code)}: found ${printable(found, 2000)}; allowed: ${printable(allowed, 2000)}`,
    );
  }
}

function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}
