import { describe, expect, test } from 'vitest';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import { operationSchemas } from '../../src/protocol/operations.js';
import { peerSchemas } from '../../src/protocol/peer-messages.js';
import { ends, operationOf, operations, peerOperations, subjects } from '../../src/protocol/subjects.js';

const agents = ['a', 'b'];
const tenants = ['default', 'team-a'];
const epochs = ['0000000000000001', '0000000000000002'];

/** Every subject that is published on, for two agents with two epochs each. */
const concrete = [
  subjects.discover,
  ...tenants.map((tenant) => subjects.lookup(tenant)),
  ...agents.flatMap((agent) => [
    ...tenants.flatMap((tenant) => operations.map((operation) => subjects.operation(agent, tenant, operation))),
    ...epochs.flatMap((epoch) => peerOperations.map((operation) => subjects.peer(agent, epoch, 'b', operation))),
    subjects.heartbeat(agent),
    subjects.fault(agent),
    ...tenants.flatMap((tenant) => ends.map((end) => subjects.terminal(agent, tenant, end))),
    ...tenants.map((tenant) => subjects.sourceReleased(agent, tenant)),
  ]),
];

/** Subjects with wildcards, and what each must catch. */
const subscriptions: readonly (readonly [string, readonly string[]])[] = [
  [
    subjects.operations('a'),
    tenants.flatMap((tenant) => operations.map((operation) => subjects.operation('a', tenant, operation))),
  ],
  [subjects.lookups, tenants.map((tenant) => subjects.lookup(tenant))],
  [
    subjects.peers('a', '0000000000000001'),
    peerOperations.map((name) => subjects.peer('a', '0000000000000001', 'b', name)),
  ],
  [subjects.heartbeats, agents.map((agent) => subjects.heartbeat(agent))],
  [
    subjects.terminals,
    agents.flatMap((agent) => tenants.flatMap((one) => ends.map((end) => subjects.terminal(agent, one, end)))),
  ],
  [
    subjects.terminalsOf('team-a'),
    agents.flatMap((agent) => ends.map((end) => subjects.terminal(agent, 'team-a', end))),
  ],
];

/** NATS's rule: `*` is one token, `>` is one or more at the end. */
function matches(pattern: string, subject: string): boolean {
  const expression = pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]+').replace(/>$/, '.+');
  return new RegExp(`^${expression}$`).test(subject);
}

describe('subjects', () => {
  test('no two are the same', () => {
    expect(new Set(concrete).size).toBe(concrete.length);
  });

  test('each is one that NATS accepts, and begins with the version', () => {
    for (const subject of concrete) {
      expect(subject).toMatch(/^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/);
      expect(subject.startsWith(`kvferry.v${PROTOCOL_VERSION}.`)).toBe(true);
    }
  });

  test.each(subscriptions)('%s catches what it must and nothing else', (pattern, caught) => {
    expect(concrete.filter((subject) => matches(pattern, subject))).toEqual(caught);
  });

  test('the name of an operation or a peer message is the last token of its subject', () => {
    for (const operation of operations)
      expect(operationOf(subjects.operation('a', 'default', operation))).toBe(operation);
    for (const operation of peerOperations)
      expect(operationOf(subjects.peer('a', 'e', 'b', operation))).toBe(operation);
  });

  test.each([
    'kvferry.v2.agent.a.default.PUT',
    'kvferry.v2.agent.a.default.put2',
    'kvferry.v2.agent.a.default.toString',
    'kvferry.v2.agent.a.default.__proto__',
    'kvferry.v2.agent.a.',
    'kvferry',
  ])('%s names no operation', (subject) => {
    expect(Object.hasOwn(operationSchemas, operationOf(subject))).toBe(false);
    expect(Object.hasOwn(peerSchemas, operationOf(subject))).toBe(false);
  });

  test('no name is both an operation and a peer message, and each has its schemas', () => {
    expect(operations.filter((operation) => (peerOperations as readonly string[]).includes(operation))).toEqual([]);
    expect(Object.keys(operationSchemas)).toEqual([...operations]);
    expect(Object.keys(peerSchemas)).toEqual([...peerOperations]);
  });
});
