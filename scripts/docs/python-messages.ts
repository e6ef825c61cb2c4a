/**
 * The protocol for the Python client (clients/python), from the AsyncAPI document: a type for each message, a method for each
 * operation, the error codes and the limits. Messages between agents are left out, because an engine never sends them.
 */
import type { AsyncApiDocument } from '../../src/protocol/asyncapi.js';
import { errorCodes } from '../../src/protocol/errors.js';
import { ends } from '../../src/protocol/subjects.js';

type Schema = { readonly [name: string]: unknown };

const NOTE = 'Made from the schemas of the agents by `npm run docs`. Do not edit.';
const INDENT = '    ';
/** Python reserves these words, so they cannot be fields of a class. */
const RESERVED = new Set(['from']);
const OBSERVATIONS = ['status', 'describe', 'inspect', 'journal', 'explain'];
const EVENTS = ['terminal', 'sourceReleased', 'heartbeat'];
/** Between agents and operators only. */
const LEFT_OUT = new Set(['audit', 'traceHeaders', 'lengthRun']);

/** The schemas that a client uses, by name. */
function clientSchemas(document: AsyncApiDocument): Map<string, Schema> {
  const { schemas } = document.components;
  const used = new Set([
    ...clientOperations(document).flatMap((name) => [`${name}Request`, `${name}Reply`]),
    ...EVENTS,
  ]);
  const shared = Object.keys(schemas).filter((name) => !/(Request|Reply)$/.test(name) && !LEFT_OUT.has(name));
  const names = [...shared.filter((name) => !used.has(name)), 'errorReply', ...used];
  return new Map(names.map((name) => [name, schemas[name] as Schema]));
}

/** Messages to all agents at once: not an operation of one agent. */
const TO_ALL_AGENTS: ReadonlySet<string> = new Set(['discover', 'lookupAll']);

/** The operations of engines and routers. */
function clientOperations(document: AsyncApiDocument): string[] {
  return Object.entries(document.operations)
    .filter(
      ([name, { tags }]) => !TO_ALL_AGENTS.has(name) && (tags as { name: string }[])[0]?.name === 'engines and routers',
    )
    .map(([name]) => name);
}

/** `messages.py`: a `TypedDict` for each message and each part of one, except those about observation. */
export function messagesModule(document: AsyncApiDocument): string {
  return typesModule(
    'Types of the messages.',
    ['    from .constants import End, ErrorCode'],
    document,
    (name) => !isObservation(name),
  );
}

/** `observations.py`: the messages that show what an agent does. */
export function observationsModule(document: AsyncApiDocument): string {
  const imports = ['    from .constants import End', '    from .messages import Arena, Endpoint, Failure, PageCounts'];
  return typesModule('Types of messages about the state of an agent.', imports, document, isObservation);
}

function typesModule(
  about: string,
  imports: readonly string[],
  document: AsyncApiDocument,
  isWanted: (name: string) => boolean,
): string {
  const classes = new Classes();
  for (const [name, schema] of clientSchemas(document)) {
    if (isWanted(name)) classes.add(pascal(name), schema, name.endsWith('Request'));
  }
  const types = ['    from typing_extensions import NotRequired', '', ...imports];
  const head = [
    `"""${about} ${NOTE}"""`,
    'from __future__ import annotations',
    'from typing import TYPE_CHECKING, Literal, TypedDict',
    ['if TYPE_CHECKING:', ...types].join('\n'),
  ];
  return `${head.join('\n\n')}\n\n\n${classes.texts.join('\n\n\n')}\n`;
}

function isObservation(name: string): boolean {
  return OBSERVATIONS.some((operation) => name === `${operation}Request` || name === `${operation}Reply`);
}

/** `operations.py`: a method for each operation. */
export function operationsModule(document: AsyncApiDocument): string {
  const names = clientOperations(document);
  const imported = (wanted: readonly string[]) => {
    const types = wanted.flatMap((name) => [`${pascal(name)}Reply`, `${pascal(name)}Request`]).sort(byCodePoint);
    return types.map((type) => `${INDENT}${INDENT}${type},`).join('\n');
  };
  const methods = names.map((name) => {
    const [request, reply] = [`${pascal(name)}Request`, `${pascal(name)}Reply`];
    const { summary } = document.operations[name] as { readonly summary: string };
    return [
      `async def ${name}(`,
      `${INDENT}self,`,
      `${INDENT}agent: str,`,
      `${INDENT}*,`,
      `${INDENT}timeout: float | None = None,`,
      `${INDENT}headers: Mapping[str, str] | None = None,`,
      `${INDENT}**fields: Unpack[${request}],`,
      `) -> ${reply}:`,
      ...wrapped(`"""${summary}"""`).map((line) => `${INDENT}${line}`),
      `${INDENT}reply = await self.call(agent, "${name}", fields, timeout=timeout, headers=headers)`,
      `${INDENT}return cast("${reply}", reply)`,
    ]
      .map((line) => `${INDENT}${line}`)
      .join('\n');
  });
  return `"""A method for each operation of an agent. ${NOTE}"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
${INDENT}from collections.abc import Mapping

${INDENT}from typing_extensions import Unpack

${INDENT}from .messages import (
${imported(names.filter((name) => !OBSERVATIONS.includes(name)))}
${INDENT})
${INDENT}from .observations import (
${imported(OBSERVATIONS)}
${INDENT})


class Operations(ABC):
${INDENT}"""Sends one message and returns the answer. Raises \`KvferryError\` with the code that the agent answered."""

${INDENT}@abstractmethod
${INDENT}async def call(
${INDENT}${INDENT}self,
${INDENT}${INDENT}agent: str,
${INDENT}${INDENT}operation: str,
${INDENT}${INDENT}fields: Mapping[str, object],
${INDENT}${INDENT}*,
${INDENT}${INDENT}timeout: float | None = None,
${INDENT}${INDENT}headers: Mapping[str, str] | None = None,
${INDENT}) -> dict[str, object]:
${INDENT}${INDENT}"""Any operation, by its name."""

${methods.join('\n\n')}
`;
}

/** `constants.py`: error codes, ends and limits. */
export function constantsModule(limits: Schema): string {
  const literal = (name: string, values: readonly string[]) =>
    `${name} = Literal[\n${values.map((value) => `${INDENT}"${value}",\n`).join('')}]`;
  const values = Object.entries(limits).map(([name, value]) => `${name} = ${value}`);
  const parts = [
    'from typing import Literal',
    literal('ErrorCode', errorCodes),
    literal('End', ends),
    values.join('\n'),
  ];
  return `"""Error codes, ends and limits of the protocol. ${NOTE}"""\n\n${parts.join('\n\n')}\n`;
}

/** `schemas.json`: what the client checks answers and events with. */
export function schemasFile(document: AsyncApiDocument): string {
  const lines = [...clientSchemas(document)].map(
    ([name, schema]) => `"${name}": ${JSON.stringify(withoutTexts(schema))}`,
  );
  return `{\n${lines.join(',\n')}\n}\n`;
}

/** Python classes in the order in which they were found: a part before the message that has it. */
class Classes {
  readonly texts: string[] = [];

  /** `isFilled`: the client adds \`v\` by itself. */
  add(name: string, schema: Schema, isFilled: boolean): void {
    const properties = Object.entries((schema['properties'] ?? {}) as Record<string, Schema>);
    const required = new Set(schema['required'] as string[] | undefined);
    const fields = properties
      .filter(([field]) => !(isFilled && field === 'v'))
      .map(([field, part]): [string, string] => {
        const type = this.#typeOf(part, `${name}${pascal(field)}`);
        return [field, required.has(field) ? type : `NotRequired[${type}]`];
      });
    this.texts.push(fields.some(([field]) => RESERVED.has(field)) ? called(name, fields) : declared(name, fields));
  }

  #typeOf(schema: Schema, name: string): string {
    const { $ref, allOf, type, properties, items, additionalProperties } = schema;
    if (typeof $ref === 'string') return pascal($ref.slice($ref.lastIndexOf('/') + 1));
    if (Array.isArray(allOf)) return this.#typeOf(allOf[0] as Schema, name);
    if (schema['const'] !== undefined) return `Literal[${pythonValue(schema['const'])}]`;
    if (isSame(schema['enum'], errorCodes)) return 'ErrorCode';
    if (isSame(schema['enum'], ends)) return 'End';
    if (schema['enum'] !== undefined) return `Literal[${(schema['enum'] as unknown[]).map(pythonValue).join(', ')}]`;
    if (type === 'array') return `list[${this.#typeOf((items ?? {}) as Schema, name)}]`;
    if (type === 'object' && properties !== undefined) {
      this.add(name, schema, false);
      return name;
    }
    if (type === 'object') return `dict[str, ${this.#typeOf(Object(additionalProperties) as Schema, name)}]`;
    const simple = { string: 'str', integer: 'int', number: 'float', boolean: 'bool' };
    return typeof type === 'string' && type in simple ? simple[type as keyof typeof simple] : 'dict[str, object]';
  }
}

function declared(name: string, fields: readonly (readonly [string, string])[]): string {
  const lines = fields.length === 0 ? [`${INDENT}pass`] : fields.map(([field, type]) => fieldOf(field, type));
  return [`class ${name}(TypedDict):`, ...lines].join('\n');
}

/** One line, or a \`Literal\` over several, as ruff formats it. */
function fieldOf(field: string, type: string): string {
  const line = `${INDENT}${field}: ${type}`;
  const literal = /^(?:(NotRequired)\[)?Literal\[(.*?)\]\]?$/.exec(type);
  if (line.length <= 120 || literal === null) return line;
  const values = (literal[2] as string).split(', ').map((value) => `${INDENT}${INDENT}${value},`);
  return [`${INDENT}${field}: Literal[`, ...values, `${INDENT}]`].join('\n');
}

function called(name: string, fields: readonly (readonly [string, string])[]): string {
  const lines = fields.map(([field, type]) => `${INDENT}${INDENT}"${field}": "${type}",`);
  return [`${name} = TypedDict(`, `${INDENT}"${name}",`, `${INDENT}{`, ...lines, `${INDENT}},`, ')'].join('\n');
}

function isSame(values: unknown, list: readonly string[]): boolean {
  return Array.isArray(values) && values.join() === list.join();
}

function pythonValue(value: unknown): string {
  if (value === true) return 'True';
  return value === false ? 'False' : JSON.stringify(value);
}

function pascal(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`;
}

function withoutTexts(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutTexts);
  if (value === null || typeof value !== 'object') return value;
  const kept = Object.entries(value).filter(([name, part]) => !(name === 'description' && typeof part === 'string'));
  return Object.fromEntries(kept.map(([name, part]) => [name, withoutTexts(part)]));
}

/** A docstring in lines of at most 100 characters. */
function wrapped(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) as string;
    if (line !== '' && line.length + word.length + 1 > 100) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}

function byCodePoint(a: string, b: string): number {
  return a < b ? -1 : 1;
}
