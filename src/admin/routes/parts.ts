/** What the routes share: how they are described, and what they are made of. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { z } from "zod";
import type { Journal } from "../../observe/journal.ts";
import type { Log } from "../../observe/log.ts";
import { errorAnswer } from "../answers.ts";
import type { AdminSource } from "../source.ts";

/** Who asks, in the words of the log; the server says so with each request. */
export interface AdminEnv {
  Bindings: { by: string };
}

export type AdminApp = OpenAPIHono<AdminEnv>;

export interface RouteOptions {
  source: AdminSource;
  journal: Journal;
  log: Log;
}

/** One kind of answer. */
export function json<Schema extends z.ZodType>(schema: Schema, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** What any request may be refused with. */
export const REFUSALS = {
  400: json(errorAnswer, "The request cannot be read."),
  401: json(errorAnswer, "A token is needed, or a wrong one was sent."),
  403: json(errorAnswer, "Not with this token, from this page, or by this name."),
  429: json(errorAnswer, "Too many wrong tokens have come from this address."),
  default: json(
    errorAnswer,
    "Any other refusal: too long, too slow, not this method, our mistake.",
  ),
};

/** And one that names something. */
export const NAMED_REFUSALS = { ...REFUSALS, 404: json(errorAnswer, "There is no such thing.") };

/** And an order with a body. */
export const ORDER_REFUSALS = {
  ...REFUSALS,
  413: json(errorAnswer, "The body is too large."),
  415: json(errorAnswer, "The body is not said to be JSON."),
  422: json(errorAnswer, "The order cannot be carried out as it is."),
};

/** A token, where one is configured. */
export const SECURITY: Record<string, string[]>[] = [{ bearer: [] }, {}];

/** An id as peers choose it: any text. */
export const idText = z.string().min(1).max(8192);

/** A whole number in a path or behind the question mark, which are text. */
export const numberText = (max: number) =>
  z.string().regex(/^\d{1,16}$/).transform(Number).pipe(z.int().min(0).max(max));

/** Yes or no behind the question mark. */
export const flagText = z.enum(["true", "false"]);
