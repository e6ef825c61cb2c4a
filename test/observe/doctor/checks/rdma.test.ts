import { describe, expect, test } from 'vitest';
import { checkRdma } from '../../../../src/observe/doctor/checks/rdma.js';
import { brief, examination, fabric, type Machine } from '../support.js';

const PORT = '/sys/class/infiniband/mlx5_0/ports/1';
const port = {
  [`${PORT}/state`]: '4: ACTIVE',
  [`${PORT}/link_layer`]: 'Ethernet',
  [`${PORT}/rate`]: '100 Gb/sec (4X EDR)',
};
const deviceFiles = { '/dev/infiniband/uverbs0': '', '/dev/infiniband/rdma_cm': '' };
const links = { '/sys/class/infiniband/mlx5_0/device/driver': 'mlx5_core' };
const interfaces = { '/sys/class/infiniband/mlx5_0/device/net/eth0/': '' };
const reason = fabric.unavailable[0]?.reason;
const verbsOffer = { provider: 'verbs', domains: ['mlx5_0'] };
const up = ['ok', 'mlx5_0 port 1: mlx5_core, Ethernet, 100 Gb/sec (4X EDR)'];

function check(machine: Machine, offers = fabric.offers, providers = fabric.providers) {
  return brief(checkRdma(examination({ machine: { links, ...machine }, fabric: { offers, providers } })));
}

test('most machines have no RDMA device', () => {
  expect(brief(checkRdma(examination()))).toEqual([['ok', 'no RDMA device; bytes between hosts move by TCP']]);
});

test('a device that is up and available', () => {
  const files = { ...port, ...deviceFiles };
  expect(check({ files }, [verbsOffer], ['verbs'])).toEqual([up, ['ok', 'verbs is available on mlx5_0']]);
});

test.each([
  ['Ethernet', 'bring its interface up (ip link set DEV up); rdma link show prints its state'],
  ['InfiniBand', 'check the cable and the subnet manager (opensm); ibstat shows the port'],
])('a port of %s that is down', (layer, remedy) => {
  const files = { ...port, ...deviceFiles, [`${PORT}/state`]: '1: DOWN', [`${PORT}/link_layer`]: layer };
  expect(check({ files }, [verbsOffer], ['verbs'])[0]).toEqual([
    'warning',
    `mlx5_0 port 1: mlx5_core, ${layer}, 100 Gb/sec (4X EDR); it is DOWN`,
    remedy,
  ]);
});

describe('a device that is not available has the first cause named', () => {
  const text = `mlx5_0 exists, but verbs is not available: ${reason}`;

  test('no device files', () => {
    expect(check({ files: port })[1]).toEqual([
      'warning',
      `${text}. /dev/infiniband has no device files`,
      'load ib_uverbs (modprobe ib_uverbs); in a container pass the files in (docker run --device /dev/infiniband, ' +
        'Kubernetes: the device plugin of your vendor)',
    ]);
  });

  test('no right to use them', () => {
    const files = { ...port, ...deviceFiles };
    expect(check({ files, refused: ['/dev/infiniband/uverbs0'] })[1]).toEqual([
      'warning',
      `${text}. This process has no access to uverbs0`,
      'give the user of the agent access to /dev/infiniband (a group and a udev rule)',
    ]);
  });

  test('no connection manager', () => {
    expect(check({ files: { ...port, '/dev/infiniband/uverbs0': '' } })[1]).toEqual([
      'warning',
      `${text}. There is no /dev/infiniband/rdma_cm`,
      'load rdma_ucm (modprobe rdma_ucm), and pass it in',
    ]);
  });

  test('no driver for libfabric', () => {
    expect(check({ files: { ...port, ...deviceFiles } })[1]).toEqual([
      'warning',
      `${text}. libfabric's verbs provider finds no device`,
      "install the card's user-space driver (Debian: ibverbs-providers) and a libfabric built with verbs; fi_info -p verbs shows it",
    ]);
  });

  test('a bind address that is not on the device', () => {
    expect(check({ files: { ...port, ...deviceFiles, ...interfaces } }, [verbsOffer])[1]).toEqual([
      'warning',
      `${text}. The bind address is 10.0.0.1`,
      'set --bind-address to an address of the device: 10.0.0.1 (eth0)',
    ]);
  });
});

test('a software device: named so, its interface from its ports', () => {
  const files = {
    ...port,
    ...deviceFiles,
    [`${PORT}/gid_attrs/ndevs/0`]: 'eth0',
    [`${PORT}/gid_attrs/ndevs/1`]: 'eth0',
  };
  expect(check({ files, links: {} }, [verbsOffer])).toEqual([
    ['ok', 'mlx5_0 port 1: a software device, Ethernet, 100 Gb/sec (4X EDR)'],
    [
      'warning',
      `mlx5_0 exists, but verbs is not available: ${reason}. The bind address is 10.0.0.1`,
      'set --bind-address to an address of the device: 10.0.0.1 (eth0)',
    ],
  ]);
});

test('an EFA device, available or not', () => {
  const files = { '/sys/class/infiniband/rdmap0/ports/1/state': '4: ACTIVE' };
  const efa = { '/sys/class/infiniband/rdmap0/device/driver': 'efa' };
  expect(check({ files, links: efa }, [], ['efa'])).toEqual([['ok', 'efa is available on rdmap0']]);
  expect(check({ files, links: efa }, [], [])).toEqual([
    [
      'warning',
      'rdmap0 exists, but efa is not available: libfabric 1.17: efa: No data available',
      "install AWS's EFA software with its libfabric; fi_info -p efa shows the device. In a container pass /dev/infiniband in",
    ],
  ]);
});

test('devices of kinds that kvferry has no provider for are said to be unused', () => {
  const files = { '/sys/class/cxi/cxi0/': '' };
  expect(check({ files, links: {} })).toEqual([
    ['note', 'cxi0 exists; libfabric does not offer cxi here. kvferry has no cxi provider yet and uses TCP'],
  ]);
});
