/**
 * The schema of v1's messages as its makers have written it, compiled. Two things that it forbids are
 * nevertheless said: `log` is a line of text, which is what old clients read, and a refused grant has
 * an `error_code`, which its makers have proposed in another place.
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import { expect } from "bun:test";
import type { V1Client } from "../../../harness/v1-client.ts";
import original from "./control-envelope.schema.json" with { type: "json" };

const schema = structuredClone(original);
schema.properties.payload.type.push("string");
Object.assign(schema.$defs.port_grant.properties.payload.properties, {
  error_code: { type: "string", pattern: "^[A-Z_]+$" },
});

const validate = new Ajv2020({ strict: false }).compile(schema);

/** What is wrong with a message; empty where nothing is. */
export function faultsOf(message: object): string {
  return validate(message) ? "" : JSON.stringify(validate.errors);
}

/** Everything that the client was sent is as the schema has it. */
export function expectValid(client: V1Client): void {
  for (const { line } of client.all) expect([line, faultsOf(JSON.parse(line))]).toEqual([line, ""]);
}
