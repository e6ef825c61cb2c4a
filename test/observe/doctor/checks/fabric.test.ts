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

test('no libfabric → a warning only when every configured provider needs it', () => {
  const spoilt = { fabric: { libfabric: null, reason: 'libfabric cannot be loaded', offers: [] } };
  const checked = (provider: string) => brief(checkLibfabric(examination({ ...spoilt, flags: { provider } })));
  expect(checked('verbs,libfabric-tcp')).toEqual([
    [
      'warning',
      'libfabric cannot be loaded; verbs, libfabric-tcp cannot be used',
      'install libfabric (Debian: libfabric1; to build the addon: libfabric-dev), then npm rebuild kvferry (in a checkout: npm run build:native)',
    ],
  ]);
  expect(checked('auto')).toEqual([
    ['note', 'libfabric cannot be loaded; verbs, efa cannot be used, same-host, tcp can'],
  ]);
  expect(checked('tcp')).toEqual([['note', 'libfabric cannot be loaded; the configured providers do not need it']]);
});

test('auto without an RDMA device takes TCP, as meant', () => {
  expect(brief(checkProviders(examination()))).toEqual([
    ['ok', 'available providers: same-host, tcp'],
    ['note', `verbs is not available: ${noDevice}`],
    ['note', 'efa is not available: libfabric 1.17: efa: No data available'],
  ]);
});

test('auto with an RDMA device that cannot be used is loud', () => {
  expect(brief(checkProviders(examination({ machine: device })))).toEqual([
    ['ok', 'available providers: same-host, tcp'],
    [
      'warning',
      `verbs is not available: ${noDevice}. Agents FALL BACK to tcp`,
      'repair it, or remove verbs from --provider',
    ],
    ['note', 'efa is not available: libfabric 1.17: efa: No data available'],
  ]);
});

test('a provider that was asked for by name and is not available is loud', () => {
  expect(brief(checkProviders(examination({ flags: { provider: 'tcp,verbs' } })))).toEqual([
    ['ok', 'available providers: tcp'],
    ['warning', `verbs is not available: ${noDevice}`, 'repair it, or remove verbs from --provider'],
  ]);
});

test('encryption is required → libfabric is not needed for a provider in clear', () => {
  const without = { libfabric: null, reason: 'libfabric cannot be loaded', offers: [] };
  const flags = { provider: 'verbs,tcp', tcpEncryption: 'required' };
  expect(brief(checkLibfabric(examination({ flags, fabric: without })))).toEqual([
    ['note', 'libfabric cannot be loaded; the configured providers do not need it'],
  ]);
});

test('encryption is required → a provider in clear is not used, with the reason', () => {
  const flags = { provider: 'net,tcp', tcpEncryption: 'required' };
  expect(brief(checkProviders(examination({ flags })))).toEqual([
    ['ok', 'available providers: tcp'],
    ['note', 'net is not used: it cannot encrypt, as --tcp-encryption required demands; use tcp'],
  ]);
});

test('an agent without any provider could not move a byte', () => {
  expect(brief(checkProviders(examination({ flags: { provider: 'verbs' } })))).toEqual([
    [
      'problem',
      `no provider is available: verbs is not available: ${noDevice}`,
      'choose another provider, such as --provider auto, or repair these',
    ],
  ]);
});

test('without the addon nothing is said of libfabric and providers', () => {
  const missing = examination({ fabric: { addon: false } });
  expect([...checkLibfabric(missing), ...checkProviders(missing)]).toEqual([]);
});

test('agents of one host need a directory to meet in', () => {
  expect(brief(checkSocketDirectory(examination()))).toEqual([['ok', 'agents on this host connect in /tmp']]);
  expect(brief(checkSocketDirectory(examination({ machine: { refused: ['/tmp'] } })))).toEqual([
    [
      'warning',
      'this process cannot write to /tmp, so same-host is not available',
      'choose a directory that all agents on this host can use with --socket-directory',
    ],
  ]);
  expect(checkSocketDirectory(examination({ flags: { provider: 'tcp' } }))).toEqual([]);
});
