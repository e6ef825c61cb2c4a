import { readFile } from 'node:fs/promises';
import { Parser } from '@asyncapi/parser';
import { beforeAll, describe, expect, test } from 'vitest';
import { asyncApiText } from '../../scripts/docs/asyncapi-text.js';
import { asyncApiDocument } from '../../src/protocol/asyncapi.js';
import { operations, peerNotices, peerOperations, subjects } from '../../src/protocol/subjects.js';

const DIAGNOSTIC_ERROR = 0;

const document = asyncApiDocument();
const addresses = new Map(Object.values(document.channels).map((channel) => [channel['address'], channel]));

describe('docs/asyncapi.json', () => {
  test('it is what the schemas give', async () => {
    const file = await readFile(new URL('../../docs/asyncapi.json', import.meta.url), 'utf8');
    expect(file === asyncApiText(), 'run `npm run docs`').toBe(true);
  });

  test('its patterns → no classes of Unicode, and the same texts as in the schemas', () => {
    const { schemas } = JSON.parse(asyncApiText()).components;
    const patterns = JSON.stringify(schemas).match(/"pattern":"[^"]*"/g) ?? [];
    expect(patterns.filter((pattern) => pattern.includes('p{'))).toEqual([]);
    const key = new RegExp(schemas.putRequest.properties.keys.items.pattern);
    expect(['a', 'ключ "1"', '鍵🔑', 'a\n', '\u007f', 'a\u0085', ''].map((text) => key.test(text))).toEqual([
      true,
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
  });

  describe('as the AsyncAPI parser reads it', () => {
    let parsed: Awaited<ReturnType<Parser['parse']>>;

    beforeAll(async () => {
      parsed = await new Parser().parse(JSON.stringify(document));
    });

    test('the AsyncAPI parser finds the document valid', () => {
      expect(parsed.diagnostics.filter(({ severity }) => severity === DIAGNOSTIC_ERROR)).toEqual([]);
      expect(parsed.document?.version()).toBe('3.0.0');
    });

    test('every operation has its request, and a reply that can be an error', () => {
      const found = parsed.document?.allOperations().all() ?? [];
      const replies = new Map(
        found.map((operation) => [
          operation.id(),
          operation
            .reply()
            ?.messages()
            .all()
            .map((message) => message.id()),
        ]),
      );
      const expected = [...operations, 'discover', 'lookupAll', 'fault', ...peerOperations].map(
        (name): [string, string[] | undefined] => [
          name,
          (peerNotices as readonly string[]).includes(name) ? undefined : [`${name}Reply`, 'errorReply'],
        ],
      );
      const events = ['terminal', 'sourceReleased', 'audit', 'heartbeat'].map((name): [string, undefined] => [
        name,
        undefined,
      ]);
      expect([...replies]).toEqual([...expected, ...events]);
    });
  });

  test.each([
    ...operations.map((operation) => subjects.operation('{agent}', '{tenant}', operation)),
    ...peerOperations.map((operation) => subjects.peer('{agent}', '{epoch}', '{from}', operation)),
    subjects.discover,
    subjects.fault('{agent}'),
    subjects.heartbeat('{agent}'),
    subjects.sourceReleased('{agent}', '{tenant}'),
    subjects.terminal('{agent}', '{tenant}', '{end}' as 'ready'),
  ])('%s is a channel, and its parameters are described', (address) => {
    const names = [...address.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(Object.keys((addresses.get(address)?.['parameters'] ?? {}) as object)).toEqual(names);
  });

  test('messages about a request may have headers', () => {
    const withHeaders = Object.entries(document.components.messages).filter(([, { headers }]) => headers !== undefined);
    const names = withHeaders.map(([name]) => name);
    expect(names).toEqual(expect.arrayContaining(['putRequest', 'allocateRequest', 'terminal', 'sourceReleased']));
    expect(names.filter((name) => name.endsWith('Reply') || name === 'heartbeat' || name === 'connectRequest')).toEqual(
      [],
    );
  });

  test('optional fields may be left out of requests, unknown fields are refused', () => {
    expect(document.components.schemas['statusRequest']).toMatchObject({
      required: ['v'],
      additionalProperties: false,
    });
    expect(document.components.schemas['sourceRun']).toMatchObject({ additionalProperties: false });
  });

  test('an answer or an event with a new field → it fits the schema', () => {
    const read = ['errorReply', 'putReply', 'statusReply', 'discoverReply', 'faultReply', 'terminal', 'audit', 'arena'];
    for (const name of read) expect([name, closedParts(document.components.schemas[name])]).toEqual([name, []]);
  });

  test('an answer from agent to agent with a new field → it does not fit', () => {
    expect(document.components.schemas['allocateReply']).toMatchObject({ additionalProperties: false });
  });
});

/** Paths of the objects in a schema that refuse unknown fields. */
function closedParts(schema: unknown, path = ''): string[] {
  if (typeof schema !== 'object' || schema === null) return [];
  const own = 'additionalProperties' in schema && schema.additionalProperties === false ? [path] : [];
  return [...own, ...Object.entries(schema).flatMap(([name, part]) => closedParts(part, `${path}/${name}`))];
}
