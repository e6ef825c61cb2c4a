/** Every message that an agent receives, from the AsyncAPI document: its subject and the schema of its body. */
import { asyncApiDocument } from '../../../src/protocol/asyncapi.js';

/** The part of JSON Schema that the document uses. */
export interface JsonSchema {
  readonly $ref?: string;
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly anyOf?: readonly JsonSchema[];
  readonly allOf?: readonly JsonSchema[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly items?: JsonSchema;
  readonly maxItems?: number;
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface MessageShape {
  /** `put`, `commit`, `heartbeat`. */
  readonly name: string;
  /** The subject, with parameters: `kvferry.v1.agent.{agent}.put`. */
  readonly address: string;
  readonly body: JsonSchema;
  readonly isAnswered: boolean;
}

interface Document {
  readonly channels: Readonly<Record<string, { readonly address: string | null }>>;
  readonly operations: Readonly<Record<string, { readonly action: string; readonly reply?: unknown }>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

const document = asyncApiDocument() as unknown as Document;

/** Agents receive them from each other, although the document lists them as sent. */
const SENT_AND_RECEIVED = ['heartbeat'];

export function messageShapes(): MessageShape[] {
  return Object.entries(document.operations).flatMap(([name, { action, reply }]) => {
    if (action !== 'receive' && !SENT_AND_RECEIVED.includes(name)) return [];
    const address = document.channels[name]?.address;
    const body = document.components.schemas[`${name}Request`] ?? document.components.schemas[name];
    if (address === null || address === undefined || body === undefined) throw new Error(`${name} has no schema`);
    return [{ name, address, body, isAnswered: reply !== undefined }];
  });
}

/** The schema itself, when it refers to another one. */
export function resolved(schema: JsonSchema): JsonSchema {
  const [only] = schema.allOf ?? [];
  const name = (schema.$ref ?? only?.$ref)?.split('/').at(-1);
  if (name === undefined) return schema;
  const shared = document.components.schemas[name];
  if (shared === undefined) throw new Error(`there is no schema ${name}`);
  return shared;
}
