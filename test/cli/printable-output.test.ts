/** What another process says is shown as text: it moves no cursor, changes no colour, and begins no line of its own. */
import { expect, test } from 'vitest';
import { renderExplanation } from '../../src/cli/explain/render.js';
import { reportError } from '../../src/cli/report-error.js';
import { renderTable } from '../../src/cli/table.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';

const hostile = '\u001b]0;title\u0007\u001b[8mhidden\u009b\u202e\nkvferry: all is well';
const harmless = '?]0;title??[8mhidden???kvferry: all is well';

test('P28: control characters in a table → shown as ?', () => {
  expect(renderTable(['STATE', 'COUNT'], [[hostile, 1]]).split('\n')[1]).toBe(`${harmless}  1`);
});

test('P28: control characters in an explanation → shown as ?', () => {
  const text = renderExplanation({
    ...{ agent: 'd1', about: 'request', name: hostile, side: 'receiver', state: hostile, summary: hostile },
    ...{ holders: [], holdersTotal: 0, trail: [] },
  });
  expect(text).toBe(`request ${harmless} at d1 (receiver): ${harmless}\n  ${harmless}`);
});

test('P28: control characters in an error → shown as ?, and its lines are indented', () => {
  const terminal = new RecordedTerminal({});
  reportError(new KvferryError('internal', hostile), terminal, false);
  expect(terminal.stderr).toEqual(['kvferry: ?]0;title??[8mhidden??\n  kvferry: all is well [internal]']);
});
