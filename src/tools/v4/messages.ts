/**
 * What a V4 client reads from the control connection: `{"type": …, "payload": …}`, one object and a
 * newline each. Only what the tools use has a shape here; other types are passed over.
 */
import { z } from "zod";

export const envelopeSchema = z.object({ type: z.string(), payload: z.unknown() });

export const registerAckSchema = z.object({
  status: z.string(),
  code: z.number().optional(),
  error: z.string().optional(),
});

const port = z.int().min(1).max(65535);

export const grantSchema = z.object({
  request_id: z.string(),
  session_id: z.string().min(1),
  server_id: z.string(),
  client_id: z.string(),
  zmq_port: port.optional(),
  srt_port: port.optional(),
  hello_token: z.string().min(1).optional(),
});

/** Two data ports, or one of them, reserved for a session. */
export type Grant = z.output<typeof grantSchema>;

export const refusalSchema = z.object({
  request_id: z.string().optional(),
  code: z.number().default(500),
  error: z.string().default(""),
});

const poolSchema = z.object({
  total: z.number(),
  idle: z.number(),
  reserved: z.number(),
  occupied: z.number(),
  blocked: z.number(),
});

export const portStateSchema = z.object({ zmq: poolSchema, srt: poolSchema });

/** How many ports of each pool are in which state. */
export type PortState = z.output<typeof portStateSchema>;
