/**
 * The tables of docs/reference/protocol.md: the fields of each message, read from its schema. A table stands between
 * `<!-- fields NAME -->` and `<!-- end -->`, where NAME is a schema of the AsyncAPI document. The rest of the page is
 * written by hand.
 */
import { type AsyncApiDocument, asyncApiDocument } from '../../src/protocol/asyncapi.js';

/** The part of JSON Schema that the messages use. */
interface Schema {
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly maxItems?: number;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: boolean | Schema;
  readonly required?: readonly string[];
  readonly default?: unknown;
  readonly description?: string;
  readonly allOf?: readonly Schema[];
  readonly $ref?: string;
}

const BLOCK = /<!-- fields (\w+) -->\n[\s\S]*?<!-- end -->/g;

/** Names of string types, by pattern. The page explains them under "Conventions". */
const KINDS: Readonly<Record<string, string>> = {
  '^[A-Za-z0-9_-]+$': 'name',
  '^[0-9a-f]{16}$': 'epoch',
  '^[\\x21-\\x7e]+$': 'request id',
  '^[^\\p{Cc}\\p{Cs}]+$': 'key',
  '^\\/[^\\p{Cc}]*$': 'absolute path',
};

/** A table does not list the values of an enum that has more of them. */
const ENUM_VALUES_MAX = 6;

/** Names of the schemas that have a table in `page`. */
export function tablesIn(page: string): string[] {
  return [...page.matchAll(BLOCK)].map(([, name]) => name as string);
}

/** Returns `page` with its tables filled from the schemas. */
export function fillTables(page: string): string {
  const { components } = asyncApiDocument();
  return page.replaceAll(BLOCK, (_, name: string) => {
    const schema = components.schemas[name];
    if (schema === undefined) throw new Error(`the page has a table for ${name}, but no schema has that name`);
    return `<!-- fields ${name} -->\n${tableOf(schema as Schema, components.schemas)}\n<!-- end -->`;
  });
}

function tableOf(schema: Schema, shared: AsyncApiDocument['components']['schemas']): string {
  const rows = rowsOf(schema, '', shared).filter(({ field }) => field !== 'v' && field !== 'ok');
  if (rows.length === 0) return 'No fields except `v` and, in an answer, `ok`.';
  const lines = rows.map(({ field, type, meaning }) => `| \`${field}\` | ${type} | ${meaning} |`);
  return ['| field | type | meaning |', '|---|---|---|', ...lines].join('\n');
}

interface Row {
  readonly field: string;
  readonly type: string;
  readonly meaning: string;
}

function rowsOf(schema: Schema, prefix: string, shared: AsyncApiDocument['components']['schemas']): Row[] {
  const required = new Set(schema.required);
  return Object.entries(schema.properties ?? {}).flatMap(([name, property]) => {
    const field = `${prefix}${name}`;
    const optional = property.default === undefined && !required.has(name) ? ', optional' : '';
    const preset = property.default === undefined ? '' : `, default ${JSON.stringify(property.default)}`;
    const shown = property.description ?? property.items?.description ?? referenced(property, shared)?.description;
    const meaning = (shown ?? '').replaceAll('|', '\\|');
    const row = { field, type: `${typeOf(property)}${optional}${preset}`, meaning };
    const inner = property.type === 'array' ? property.items : property;
    const below = property.type === 'array' ? `${field}[].` : `${field}.`;
    return [row, ...(inner?.properties === undefined ? [] : rowsOf(inner, below, shared))];
  });
}

/** Name of the shared schema that a schema refers to. */
function referenceOf(schema: Schema): string | undefined {
  const reference = schema.$ref ?? schema.allOf?.[0]?.$ref;
  return reference?.slice(reference.lastIndexOf('/') + 1);
}

function referenced(schema: Schema, shared: AsyncApiDocument['components']['schemas']): Schema | undefined {
  const name = referenceOf(schema);
  return name === undefined ? undefined : (shared[name] as Schema);
}

function typeOf(schema: Schema): string {
  const reference = referenceOf(schema);
  if (reference !== undefined) return `[${reference}](#${reference.toLowerCase()})`;
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (schema.enum !== undefined) {
    return schema.enum.length > ENUM_VALUES_MAX ? 'string' : schema.enum.map((value) => `\`${value}\``).join(', ');
  }
  switch (schema.type) {
    case 'string':
      return schema.pattern === undefined ? 'string' : (KINDS[schema.pattern] ?? `string \`${schema.pattern}\``);
    case 'integer':
      return `integer${rangeOf(schema)}`;
    case 'array': {
      const most = schema.maxItems === undefined ? '' : `, at most ${schema.maxItems}`;
      if (schema.items?.properties !== undefined) return `list of objects${most}`;
      return `list of ${plural(typeOf(schema.items ?? {}))}${most}`;
    }
    case 'object':
      return isCounts(schema) ? 'object, name to integer' : 'object';
    default:
      return schema.type ?? 'object';
  }
}

function rangeOf({ minimum, maximum }: Schema): string {
  if (maximum !== undefined) return `, ${minimum ?? 0} to ${maximum}`;
  return minimum === undefined || minimum === 0 ? '' : `, from ${minimum}`;
}

function isCounts({ additionalProperties }: Schema): boolean {
  return typeof additionalProperties === 'object' && additionalProperties.type === 'integer';
}

/** `integer, from 1` → `integers, from 1`. A link stays as it is. */
function plural(type: string): string {
  return type.replace(/^[a-z ]+/, (noun) => `${noun}s`);
}
