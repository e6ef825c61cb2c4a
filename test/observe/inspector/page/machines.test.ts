import { describe, expect, test } from 'vitest';
import { chartOf } from '../../../../src/observe/inspector/drawing/chart.js';
import type { ActorView } from '../../../../src/observe/inspector/feed.js';
import { machines } from '../../../../src/observe/inspector/machines.js';
import { matches } from '../../../../src/observe/inspector/page/machines/actor-filter.js';
import { contextLines } from '../../../../src/observe/inspector/page/machines/context-lines.js';
import { joinEntries } from '../../../../src/observe/inspector/page/machines/join-entries.js';
import { idsOfState, innermost } from '../../../../src/observe/inspector/page/machines/state-ids.js';
import { toneOfState } from '../../../../src/observe/inspector/page/tones.js';
import { machineNames } from '../../../../src/protocol/observation.js';
import { state, stored } from './support.js';

type State = ReturnType<typeof chartOf>['root'];
const idsIn = (root: State): string[] => [root.id, ...root.states.flatMap(idsIn)];
const idsOf = (machine: keyof typeof machines) => idsIn(chartOf(machines[machine]).root);

describe('where a machine is in its drawing', () => {
  test.each([
    ['transfer', 'writing', ['transfer.writing']],
    ['request', 'running.open', ['request.running', 'request.running.open']],
    ['ingest', 'ready', ['ingest.ready']],
    ['peer', 'suspect.asking', ['peer.suspect', 'peer.suspect.asking']],
    ['peer', 'lost', ['peer.lost']],
    ['peer', 'nowhere', []],
  ] as const)('the state of %s in %s is found in its drawing', (machine, name, ids) => {
    expect(idsOfState(machine, name, idsOf(machine))).toEqual(ids);
  });

  test('is the innermost of those', () => {
    expect(innermost(['m.open', 'm.open.liveness', 'm.open.liveness.alive', 'm.open.connection.connected'])).toEqual([
      'm.open.liveness.alive',
      'm.open.connection.connected',
    ]);
  });
});

test('every state of every machine has a meaning for the viewer', () => {
  const leaves = (root: State): string[] => (root.states.length === 0 ? [root.name] : root.states.flatMap(leaves));
  for (const machine of machineNames) {
    const unknown = leaves(chartOf(machines[machine]).root).filter((name) => toneOfState(machine, name) === 'work');
    // What is not in the table counts as work: these are meant to.
    expect(unknown, machine).toEqual(meantAsWork[machine]);
  }
});

const meantAsWork = {
  agent: ['starting'],
  line: [],
  peer: [],
  connection: [],
  request: ['open'],
  transfer: ['filtering', 'filtered', 'writing', 'committing'],
  ingest: ['receiving'],
  group: ['telling'],
  rank: [],
};

test('of several states at once the gravest counts', () => {
  expect(toneOfState('peer', 'connected and suspect')).toBe('warn');
  expect(toneOfState('peer', 'connected and alive')).toBe('good');
});

test('actors are found by every word that is seen of them', () => {
  const actor = {
    ...{ agent: 'prefill-0', machine: 'transfer', actor: 'transfer aa/r1/0', state: 'writing', request: 'r1' },
    waiting: { gate: 'fabric', text: 'bytes' },
  } as unknown as ActorView;
  expect(['', 'r1', 'WRITING prefill', 'fabric'].map((text) => matches(actor, text))).toEqual([true, true, true, true]);
  expect(['r2', 'writing decode'].map((text) => matches(actor, text))).toEqual([false, false]);
});

test('entries that were fetched and pushed are there once, in time order', () => {
  const [a, b, c] = [
    state('p', 1, 'request', 'running.open'),
    stored('p', 3, 'joined', 1),
    stored('p', 2, 'queued', 1),
  ];
  expect(joinEntries([a, b], [b, c])).toEqual([a, c, b]);
});

test('a context is a line for each value; deep and long ones are cut', () => {
  expect(contextLines({ a: 1, b: { c: 'x', d: [1, 2], e: {} }, f: null })).toEqual([
    { path: 'a', value: '1' },
    { path: 'b.c', value: 'x' },
    { path: 'b.d', value: '[1,2]' },
    { path: 'b.e', value: '{}' },
    { path: 'f', value: 'null' },
  ]);
  expect(contextLines({ a: { b: { c: { d: 1 } } } })).toEqual([{ path: 'a.b.c', value: '{"d":1}' }]);
  expect(contextLines({ a: 'x'.repeat(1000) })[0]?.value).toHaveLength(401);
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, n) => [`k${n}`, n]));
  expect(contextLines(many)).toHaveLength(200);
});
