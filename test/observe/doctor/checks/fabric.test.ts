import { expect, test } from 'vitest';
import { checkLibfabric } from '../../../../src/observe/doctor/checks/libfabric.js';
import { checkProviders } from '../../../../src/observe/doctor/checks/providers.js';
import { checkSocketDirectory } from '../../../../src/observe/doctor/checks/socket-directory.js';
import { brief, examination, fabric } from '../support.js';

const device = { files: { '/sys/class/infiniband/mlx5_0/ports/1/state': '4: ACTIVE' } };
const noDevice = fabric.unavailable[0]?.reason;

test('libfabric shows what it can be used for, without its layers', () => {
  expect(brief(checkLibfabric(examination()))).toEqual([['ok', 'libfabric 1.17 offers tcp (eth0, lo)']]);
});

test('without libfabric no other host can be reached: judged by whether one is needed', () => {
  const spoilt = { fabric: { libfabric: null, reason: 'libfabric cannot be loaded', offers: [] } };
  expect(brief(checkLibfabric(examination(spoilt)))).toEqual([
    [
      'warning',
      'libfabric cannot be loaded: agents on other hosts cannot be reached',
      'install libfabric (Debian: libfabric1; to build the addon: libfabric-dev, then npm run build:native)',
    ],
  ]);
  expect(brief(checkLibfabric(examination({ ...spoilt, flags: { provider: 'same-host' } })))).toEqual([
    ['note', 'libfabric cannot be loaded; only agents of the same host are reached'],
  ]);
});

test('auto without an RDMA device takes TCP, as meant', () => {
  expect(brief(checkProviders(examination()))).toEqual([
    ['ok', 'an agent with these settings offers same-host, tcp'],
    ['note', `verbs cannot be had: ${noDevice}`],
  ]);
});

test('auto with an RDMA device that cannot be used is loud', () => {
  expect(brief(checkProviders(examination({ machine: device })))).toEqual([
    ['ok', 'an agent with these settings offers same-host, tcp'],
    [
      'warning',
      `verbs cannot be had: ${noDevice}. Agents FALL BACK to tcp`,
      'repair it, or leave verbs out of --provider when it is not wanted',
    ],
  ]);
});

test('a provider that was asked for by name and cannot be had is loud', () => {
  expect(brief(checkProviders(examination({ flags: { provider: 'tcp,verbs' } })))).toEqual([
    ['ok', 'an agent with these settings offers tcp'],
    [
      'warning',
      `verbs cannot be had: ${noDevice}`,
      'repair it, or leave verbs out of --provider when it is not wanted',
    ],
  ]);
});

test('an agent without any provider could not move a byte', () => {
  expect(brief(checkProviders(examination({ flags: { provider: 'verbs' } })))).toEqual([
    [
      'problem',
      `no byte can move: verbs cannot be had: ${noDevice}`,
      'ask for another one, such as --provider auto, or repair what is missing',
    ],
  ]);
});

test('without the addon nothing is said of libfabric and providers', () => {
  const missing = examination({ fabric: { addon: false } });
  expect([...checkLibfabric(missing), ...checkProviders(missing)]).toEqual([]);
});

test('agents of one host need a directory to meet in', () => {
  expect(brief(checkSocketDirectory(examination()))).toEqual([['ok', 'agents of this host meet in /tmp']]);
  expect(brief(checkSocketDirectory(examination({ machine: { refused: ['/tmp'] } })))).toEqual([
    [
      'warning',
      'this process cannot write to /tmp: the same-host path cannot be had',
      'choose a directory that all agents of this host see, with --socket-directory',
    ],
  ]);
  expect(checkSocketDirectory(examination({ flags: { provider: 'tcp' } }))).toEqual([]);
});
