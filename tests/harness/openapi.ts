/**
 * An OpenAPI 3.1 document, checked as far as ours uses the format, and answers held against it. The
 * schemas are JSON Schema; what of it occurs is interpreted here, and a word that is not known is a
 * fault, so that nothing passes unread.
 */
import { z } from "zod";

const schema = z.record(z.string(), z.unknown());
const content = z.record(z.string().regex(/^\w+\/[\w.+-]+$/), z.strictObject({ schema }));

const operation = z.strictObject({
  summary: z.string().min(1),
  security: z.array(z.record(z.string(), z.array(z.string()))).optional(),
  parameters: z.array(z.strictObject({
    name: z.string().min(1),
    in: z.enum(["path", "query"]),
    required: z.boolean().optional(),
    schema,
  })).optional(),
  requestBody: z.strictObject({ required: z.boolean().optional(), content }).optional(),
  responses: z.record(
    z.string().regex(/^(?:[1-5]\d\d|default)$/),
    z.strictObject({ description: z.string().min(1), content: content.optional() }),
  ),
});

const document = z.strictObject({
  openapi: z.literal("3.1.0", "the version in openapi"),
  info: z.strictObject({ title: z.string().min(1), version: z.string().min(1) }),
  components: z.strictObject({
    schemas: z.record(z.string(), schema).optional(),
    parameters: z.record(z.string(), schema).optional(),
    securitySchemes: z.record(
      z.string(),
      z.strictObject({
        type: z.literal("http"),
        scheme: z.literal("bearer"),
        description: z.string().optional(),
      }),
    ),
  }),
  webhooks: z.strictObject({}).optional(),
  paths: z.record(
    z.string().startsWith("/"),
    z.partialRecord(z.enum(["get", "post", "delete"]), operation),
  ),
});

type Document = z.infer<typeof document>;

export class OpenApiDocument {
  readonly #document: Document;

  constructor(parsed: Document) {
    this.#document = parsed;
  }

  get version(): string {
    return this.#document.openapi;
  }

  /** `GET /path`, in order. */
  operations(): string[] {
    return Object.entries(this.#document.paths)
      .flatMap(([path, item]) => Object.keys(item).map((one) => `${one.toUpperCase()} ${path}`))
      .sort();
  }

  /** What about an answer is not as described. */
  faults(method: string, route: string, status: number, body: unknown): string[] {
    const where = `${method} ${route} ${status}`;
    const item = this.#document.paths[route];
    const responses = item?.[method.toLowerCase() as "get"]?.responses;
    // What may be answered instead of a success is written out; the rest is "any other refusal".
    const described = responses?.[String(status)] ??
      (status < 400 ? undefined : responses?.default);
    if (described === undefined) return [`${where} is not described`];
    const json = described.content?.["application/json"];
    if (json === undefined) return [`${where} has no JSON`];
    return faultsOf(body, json.schema, where);
  }
}

/** Throws where the document breaks a rule. */
export function checkedDocument(raw: unknown): OpenApiDocument {
  const parsed = document.parse(raw);
  for (const [path, item] of Object.entries(parsed.paths)) {
    const in_path = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    for (const [method, { parameters = [], responses }] of Object.entries(item)) {
      const named = parameters.filter((one) => one.in === "path");
      const names = named.map(({ name }) => name);
      if (names.sort().join() !== in_path.sort().join() || named.some((one) => !one.required)) {
        throw new Error(`${method} ${path} has the path parameters ${names.join()}`);
      }
      if (!Object.keys(responses).some((status) => status.startsWith("2"))) {
        throw new Error(`${method} ${path} describes no success`);
      }
    }
  }
  return new OpenApiDocument(parsed);
}

type Schema = Record<string, unknown>;

const KNOWN = new Set([
  "type",
  "properties",
  "required",
  "additionalProperties",
  "propertyNames",
  "items",
  "enum",
  "const",
  "anyOf",
  "oneOf",
  "allOf",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems",
  "pattern",
  "default",
  "format",
  "description",
]);

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (typeof value === "number") return Number.isInteger(value) ? "integer" : "number";
  return typeof value;
}

/** What of a value is not as the schema has it. */
function faultsOf(value: unknown, schema: Schema, at: string): string[] {
  const unknown = Object.keys(schema).filter((word) => !KNOWN.has(word));
  const faults = unknown.map((word) => `${at}: the schema says ${word}, which is not known here`);
  const type = typeOf(value);
  const allowed = [schema.type ?? []].flat() as string[];
  const fits = allowed.length === 0 || allowed.includes(type) ||
    (type === "integer" && allowed.includes("number"));
  if (!fits) return [...faults, `${at}: found ${type}, allowed ${allowed.join(" or ")}`];
  const wrong = (text: string) => faults.push(`${at}: ${JSON.stringify(value)} is not ${text}`);
  if (Array.isArray(schema.enum) && !schema.enum.includes(value)) wrong(`one of ${schema.enum}`);
  if ("const" in schema && value !== schema.const) wrong(String(schema.const));
  for (const word of ["anyOf", "oneOf"]) {
    const choices = schema[word] as Schema[] | undefined;
    if (choices?.every((one) => faultsOf(value, one, at).length > 0)) wrong("any of the choices");
  }
  for (const one of (schema.allOf ?? []) as Schema[]) faults.push(...faultsOf(value, one, at));
  if (typeof value === "number") {
    if (value < Number(schema.minimum ?? -Infinity)) wrong(`at least ${schema.minimum}`);
    if (value > Number(schema.maximum ?? Infinity)) wrong(`at most ${schema.maximum}`);
  }
  if (typeof value === "string") {
    if (value.length < Number(schema.minLength ?? 0)) wrong("long enough");
    if (value.length > Number(schema.maxLength ?? Infinity)) wrong("short enough");
  }
  if (Array.isArray(value)) {
    if (value.length > Number(schema.maxItems ?? Infinity)) wrong("short enough");
    const items = (schema.items ?? {}) as Schema;
    value.forEach((one, i) => faults.push(...faultsOf(one, items, `${at}[${i}]`)));
  } else if (typeof value === "object" && value !== null) {
    faults.push(...objectFaults(value as Schema, schema, at));
  }
  return faults;
}

function objectFaults(value: Schema, schema: Schema, at: string): string[] {
  const properties = (schema.properties ?? {}) as Record<string, Schema>;
  const faults = ((schema.required ?? []) as string[])
    .filter((name) => !Object.hasOwn(value, name))
    .map((name) => `${at}: ${name} is missing`);
  for (const [name, one] of Object.entries(value)) {
    if (Object.hasOwn(properties, name)) {
      faults.push(...faultsOf(one, properties[name], `${at}.${name}`));
    } else if (schema.additionalProperties === false) {
      faults.push(`${at}: ${name} is not described`);
    } else if (typeof schema.additionalProperties === "object") {
      faults.push(...faultsOf(one, schema.additionalProperties as Schema, `${at}.${name}`));
    } else if (schema.additionalProperties === undefined && schema.properties !== undefined) {
      // Ours say everything that they have: a field beside them is a description that is too old.
      faults.push(`${at}: ${name} is not described`);
    }
  }
  return faults;
}
