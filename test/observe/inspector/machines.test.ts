import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { machinesIn } from '../../../scripts/docs/machines-in.js';
import { machines } from '../../../src/observe/inspector/machines.js';
import { stateNamed } from '../../../src/observe/inspector/state-values.js';

test('the inspector knows every machine that there is', async () => {
  const found = await machinesIn(fileURLToPath(new URL('../../../machines', import.meta.url)));
  expect(new Map(Object.entries(machines).sort())).toEqual(new Map([...found].sort()));
});

test('from the name of a state its value is found, and the ids of all states in it', () => {
  expect(stateNamed('page', 'ready')).toEqual({ value: 'ready', paths: ['page.ready'] });
  expect(stateNamed('page', 'of another version')).toBeUndefined();
  expect(stateNamed('ingest', 'running.receiving')).toEqual({
    value: { running: 'receiving' },
    paths: ['ingest.running', 'ingest.running.receiving'],
  });
});
