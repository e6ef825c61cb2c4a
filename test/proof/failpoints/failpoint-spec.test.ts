import { describe, expect, test } from 'vitest';
import { failpointNames } from '../../../src/proof/failpoints/failpoint-names.js';
import { parseFailpoints } from '../../../src/proof/failpoints/failpoint-spec.js';
import { messageOf, operations, peerOperations, subjects } from '../../../src/protocol/subjects.js';

describe('the specification of failpoints', () => {
  test('a list of names, each with an action and when', () => {
    expect(
      parseFailpoints('commit.sending=kill, write.underway=stop@3,,write.starting=delay:250,grant.done=fail'),
    ).toEqual([
      { name: 'commit.sending', action: { type: 'kill' }, occurrence: 1 },
      { name: 'write.underway', action: { type: 'stop' }, occurrence: 3 },
      { name: 'write.starting', action: { type: 'delay', delayMs: 250 }, occurrence: 1 },
      { name: 'grant.done', action: { type: 'fail' }, occurrence: 1 },
    ]);
    expect(parseFailpoints('')).toEqual([]);
  });

  test.each([
    'commit.sending',
    'commit.sending=',
    'commit.sending=explode',
    'commit.sending=kill:3',
    'commit.sending=kill@0',
    'commit.sending=kill@x',
    'write.starting=delay',
    'write.starting=delay:60001',
    'nothing.sending=kill',
    'commit=kill',
  ])('the specification %s is refused', (spec) => {
    expect(() => parseFailpoints(`grant.done=kill,${spec}`)).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', field: 'KVFERRY_FAILPOINTS' }),
    );
  });

  test('every message between agents and every operation has its steps', () => {
    for (const operation of peerOperations) expect(failpointNames).toContain(`${operation}.received`);
    for (const operation of operations) expect(failpointNames).toContain(`${operation}.answering`);
    expect(new Set(failpointNames).size).toBe(failpointNames.length);
  });

  test('a step is named for the message its subject carries', () => {
    expect(messageOf(subjects.peer('a', 'b'.repeat(16), 'c', 'allocate'))).toBe('allocate');
    expect(messageOf(subjects.operation('a', 'default', 'put'))).toBe('put');
    expect(messageOf(subjects.terminal('a', 'default', 'ready'))).toBe('event');
    expect(messageOf(subjects.heartbeat('a'))).toBe('heartbeat');
    expect(messageOf(subjects.sourceReleased('a', 'default'))).toBe('source');
    expect(messageOf(subjects.discover)).toBe('discover');
  });
});
