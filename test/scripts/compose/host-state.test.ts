import { expect, test } from 'vitest';
import { type HostState, hostState, leftovers } from '../../../scripts/compose/host-state.js';

const before: HostState = {
  bridges: ['docker0'],
  rules: [],
  forwarding: 'ACCEPT',
  ipForward: '0',
  controlGroups: [],
  mounts: [],
  processes: [],
  sharedMemory: [],
};

test('nothing has changed → nothing is left', () => {
  expect(leftovers(before, { ...before, bridges: [] })).toEqual([]);
});

test('an engine without namespaces of its own → all that it leaves', () => {
  const after: HostState = {
    bridges: ['docker0', 'br-0123456789ab'],
    rules: ['-A FORWARD -j DOCKER-USER'],
    forwarding: 'DROP',
    ipForward: '1',
    controlGroups: ['/sys/fs/cgroup/memory/kvferry-compose-1'],
    mounts: ['overlay /cache/engine'],
    processes: ['containerd-shim'],
    sharedMemory: ['kvferry-decode-1-arena'],
  };
  expect(leftovers(before, after)).toEqual([
    'bridges: br-0123456789ab',
    'rules: -A FORWARD -j DOCKER-USER',
    'controlGroups: /sys/fs/cgroup/memory/kvferry-compose-1',
    'mounts: overlay /cache/engine',
    'processes: containerd-shim',
    'sharedMemory: kvferry-decode-1-arena',
    'forwarding: ACCEPT has become DROP',
    'ipForward: 0 has become 1',
  ]);
});

test('this host → finds a process by a word of its command line', async () => {
  // vitest runs this file in a child of a process that has the name of vitest in its command line.
  const { processes } = await hostState(['vitest']);
  expect(processes.length).toBeGreaterThan(0);
});
