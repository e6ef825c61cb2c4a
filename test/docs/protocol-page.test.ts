import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { fillTables, tablesIn } from '../../scripts/docs/field-tables.js';
import { asyncApiDocument } from '../../src/protocol/asyncapi.js';
import { decode } from '../../src/protocol/codec.js';
import { errorCodes } from '../../src/protocol/errors.js';
import { auditEvent, sourceReleasedEvent, terminalEvent } from '../../src/protocol/events.js';
import { faultReply, faultRequest } from '../../src/protocol/faults.js';
import * as limits from '../../src/protocol/limits.js';
import { errorReply, operationSchemas } from '../../src/protocol/operations.js';
import { heartbeat, peerSchemas } from '../../src/protocol/peer-messages.js';
import { operationOf, operations, peerOperations } from '../../src/protocol/subjects.js';

const guide = await readFile('docs/guide/protocol.md', 'utf8');
const reference = await readFile('docs/reference/protocol.md', 'utf8');
const page = [guide, reference].join('\n');

/** Schemas by the tag of an example: ```json put.request */
const schemas = new Map<string, z.ZodType>([
  ['error.reply', errorReply],
  ['terminal.event', terminalEvent],
  ['source.event', sourceReleasedEvent],
  ['heartbeat.event', heartbeat],
  ['audit.event', auditEvent],
  ['fault.request', faultRequest],
  ['fault.reply', faultReply],
  ...Object.entries({ ...operationSchemas, ...peerSchemas }).flatMap(
    ([name, { request, reply }]): [string, z.ZodType][] => [
      [`${name}.request`, request],
      [`${name}.reply`, reply],
    ],
  ),
]);

const fenced = [...page.matchAll(/^```(\w+)(?: (\S+))?\n([\s\S]*?)^```$/gm)].map(([, language, tag, text]) => ({
  language,
  tag,
  text: text as string,
}));
const examples = fenced.filter(({ language }) => language === 'json');
const commands = fenced
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => [...text.matchAll(/nats req (?:--\S+ )*(kvferry\S+)[\s\\]+'([^']*)'/g)])
  .map(([, subject, body]) => ({ subject: subject as string, body: body as string }));

/** The text of a section of the reference, up to the next heading. */
function section(title: string): string {
  const start = reference.indexOf(`\n### ${title}\n`);
  if (start < 0) throw new Error(`docs/reference/protocol.md has no section ${title}`);
  const end = reference.slice(start + 1).search(/\n##+ /);
  return end < 0 ? reference.slice(start) : reference.slice(start, start + 1 + end);
}

describe('the protocol pages', () => {
  test('its tables are those of the schemas', () => {
    expect(fillTables(reference) === reference, 'run `npm run docs`').toBe(true);
  });

  test('it has a table for every message and every shared part', () => {
    const notAnswered = ['joinedReply', 'endedReply'];
    const sameAsOfOne = ['discoverRequest', 'discoverReply', 'lookupAllRequest', 'lookupAllReply'];
    const expected = Object.keys(asyncApiDocument().components.schemas).filter((name) => !sameAsOfOne.includes(name));
    expect(tablesIn(reference).sort()).toEqual(expected.filter((name) => !notAnswered.includes(name)).sort());
  });

  test.each(examples.map(({ tag, text }, index) => [tag ?? `untagged example ${index}`, text]))(
    'the example of %s fits its schema',
    (tag, text) => {
      const schema = schemas.get(tag);
      expect(schema, 'every json example is tagged with its message').toBeDefined();
      if (schema !== undefined) decode(schema, text);
    },
  );

  test.each(commands.map(({ subject, body }) => [subject, body]))(
    'the command for %s has a right body',
    (subject, body) => {
      const [, , kind] = subject.split('.');
      const named: Partial<Record<string, string>> = { discover: 'describe', lookup: 'lookup', fault: 'fault' };
      const name = named[kind ?? ''] ?? operationOf(subject);
      const schema = schemas.get(`${name}.request`);
      expect(schema).toBeDefined();
      if (schema !== undefined) decode(schema, body);
      expect(body, 'the nats tool takes {{ for a template').not.toContain('{{');
    },
  );

  test('every reply and event with fields has an example, every command is in the page', () => {
    const tags = new Set(examples.map(({ tag }) => tag));
    const shown = new Set([...tags, ...commands.map(({ subject }) => `${operationOf(subject)}.request`)]);
    const missing = [...operations, ...peerOperations].filter((name) => !shown.has(`${name}.request`));
    expect(missing).toEqual([]);
    expect(commands.length).toBe(page.split('nats req kvferry').length + page.split(/nats req --/).length - 2);
  });

  test.each(errorCodes)('it says what to do on %s', (code) => {
    const row = new RegExp(`^\\| \`${code}\` \\| [^|]+ \\| [^|]+ \\| [^|]+ \\|$`, 'm');
    expect(page).toMatch(row);
  });

  test('it lists no error code that does not exist', () => {
    const table = reference.slice(reference.indexOf('\n## Errors\n'), reference.indexOf('\n## Limits\n'));
    const listed = [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code);
    expect(listed.toSorted()).toEqual(errorCodes.toSorted());
  });

  test.each([...operations, ...peerOperations])('%s has a section', (operation) => {
    const titles: Partial<Record<string, string>> = {
      attach: 'attach and detach',
      detach: 'attach and detach',
      stage: 'stage and unstage',
      unstage: 'stage and unstage',
    };
    expect(section(titles[operation] ?? operation)).toContain(`<!-- fields ${operation}Request -->`);
  });

  test.each([
    limits.MESSAGE_BYTES_MAX,
    limits.KEYS_PER_BATCH_MAX,
    limits.KEY_BYTES_MAX,
    limits.CHUNKS_PER_REQUEST_MAX,
    limits.BATCHES_PER_REQUEST_MAX,
    limits.RANKS_MAX,
    limits.REQUEST_ID_BYTES_MAX,
    limits.NAME_BYTES_MAX,
    limits.TIMEOUT_MS_MAX,
    limits.STATUS_ROWS_MAX,
    limits.ACQUIRE_KEYS_MAX,
    limits.FAULT_MS_MAX,
  ])('it names the limit %i', (limit) => {
    expect(reference.slice(reference.indexOf('\n## Limits\n'))).toContain(` ${limit.toLocaleString('en-US')} `);
  });

  test('every link within a page leads to a heading', () => {
    for (const text of [guide, reference]) {
      const anchors = new Set(
        [...text.matchAll(/^##+ (.+)$/gm)].map(([, title]) =>
          (title as string)
            .toLowerCase()
            .replaceAll(/[^a-z0-9 -]/g, '')
            .replaceAll(' ', '-'),
        ),
      );
      const links = [...text.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor]) => anchor as string);
      expect(links.filter((anchor) => !anchors.has(anchor))).toEqual([]);
    }
  });
});
