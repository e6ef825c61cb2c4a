import { expect, test } from 'vitest';
import { missingIn } from '../../../scripts/compose/check-containers.js';
import type { Container } from '../../../scripts/compose/cluster.js';

const confined: Container = {
  Id: '0123',
  Name: '/kvferry-test-decode-1',
  RestartCount: 0,
  Config: { User: 'kvferry', Hostname: '0123' },
  State: { Pid: 7 },
  HostConfig: {
    CapDrop: ['ALL'],
    CapAdd: null,
    SecurityOpt: ['no-new-privileges:true'],
    ReadonlyRootfs: true,
    PidsLimit: 512,
    Memory: 3_221_225_472,
    LogConfig: { Config: { 'max-size': '10m' } },
  },
  NetworkSettings: { Networks: { 'kvferry-test_cluster': { IPAddress: '172.18.0.3' } } },
};

const open: Container = {
  ...confined,
  Config: { User: '', Hostname: '0123' },
  HostConfig: {
    CapDrop: null,
    CapAdd: ['IPC_LOCK'],
    SecurityOpt: null,
    ReadonlyRootfs: false,
    PidsLimit: null,
    Memory: 0,
    LogConfig: { Config: {} },
  },
  NetworkSettings: { Networks: { 'kvferry-test_default': { IPAddress: '172.18.0.3' } } },
};

test('a container as docker-compose.yml makes it → lacks nothing', () => {
  expect(missingIn(confined)).toEqual([]);
});

test('a container as Docker makes it by default → lacks everything', () => {
  expect(missingIn(open)).toEqual([
    'cap_drop: ALL',
    'no-new-privileges',
    'read_only',
    'pids_limit',
    'mem_limit',
    'a limit of its logs',
    'no network but the internal one',
    'an ordinary user',
  ]);
});
