import { describe, expect, test } from 'vitest';
import { checkHugePages } from '../../../../src/observe/doctor/checks/huge-pages.js';
import { checkMemlock } from '../../../../src/observe/doctor/checks/memlock.js';
import { checkMemory } from '../../../../src/observe/doctor/checks/memory.js';
import { checkSharedMemory } from '../../../../src/observe/doctor/checks/shared-memory.js';
import { brief, examination, GIB, limits, MIB, type Spoilt } from '../support.js';

const need = 'the settings need 384 MiB of arena and 0 B of staging memory';

describe('shared memory', () => {
  const check = (spoilt: Spoilt = {}) => brief(checkSharedMemory(examination(spoilt)));
  const withRoom = (freeBytes: number, isTmpfs = true) => ({
    '/dev/shm': { totalBytes: 16 * GIB, freeBytes, isTmpfs },
  });

  test('shared memory has room → ok', () => {
    expect(check()).toEqual([['ok', `/dev/shm has 16 GiB, 8 GiB free; ${need}`]]);
  });

  test('is exactly large enough, or a byte too small', () => {
    expect(check({ machine: { fileSystems: withRoom(384 * MIB) } })[0]?.[0]).toBe('ok');
    expect(check({ machine: { fileSystems: withRoom(384 * MIB - 1) } })[0]?.[0]).toBe('problem');
  });

  test('is too small: Docker gives 64 MiB', () => {
    const fileSystems = { '/dev/shm': { totalBytes: 64 * MIB, freeBytes: 64 * MIB, isTmpfs: true } };
    expect(check({ machine: { fileSystems } })).toEqual([
      [
        'problem',
        `/dev/shm has 64 MiB, 64 MiB free; ${need}`,
        'make it larger (docker run --shm-size, Kubernetes: an emptyDir with medium Memory, mount -o remount,size=…), ' +
          'or lower --arena-pages or --staging-pages',
      ],
    ]);
  });

  test('does not count twice what the running agent has', () => {
    const files = { '/dev/shm/kvferry-d1-arena': '' };
    expect(check({ machine: { fileSystems: withRoom(0), files } })).toEqual([
      ['ok', `/dev/shm has 16 GiB, 0 B free; ${need}, of which the running agent has 384 MiB`],
    ]);
    expect(check({ machine: { fileSystems: withRoom(0), files }, flags: { agentId: 'd2' } })[0]?.[0]).toBe('problem');
  });

  test('senders need shared memory for staging pages, receivers for the arena', () => {
    const flags = { role: 'prefill', stagingPages: '2', pageBytes: '1MiB' };
    expect(check({ flags })[0]?.[1]).toContain('need 0 B of arena and 2 MiB of staging memory');
    expect(check({ flags: { ...flags, role: 'both', arenaPages: '4' } })[0]?.[1]).toContain(
      'need 4 MiB of arena and 2 MiB of staging memory',
    );
  });

  test('is not there, not writable, or a disk', () => {
    expect(check({ machine: { fileSystems: {} } })).toEqual([
      ['problem', 'directory /dev/shm does not exist', 'create it, or choose another directory with --arena-directory'],
    ]);
    expect(check({ machine: { refused: ['/dev/shm'] } })).toEqual([
      ['problem', 'this process may not write to /dev/shm', 'run the agent as a user with write access'],
    ]);
    expect(check({ machine: { fileSystems: withRoom(8 * GIB, false) } })[1]).toEqual([
      'warning',
      '/dev/shm is not a memory file system: its pages are written to a disk',
      'choose a tmpfs with --arena-directory, usually /dev/shm',
    ]);
  });
});

describe('memory', () => {
  const check = (files: Readonly<Record<string, string>> = {}) =>
    brief(checkMemory(examination({ machine: { files } })));

  test('enough memory is available → ok', () => {
    expect(check()).toEqual([['ok', '32 GiB of memory are available']]);
  });

  test('too little memory is available → a problem', () => {
    expect(check({ '/proc/meminfo': 'MemAvailable: 102400 kB' })).toEqual([
      [
        'problem',
        '100 MiB of memory are available; arena and staging memory need 384 MiB',
        'lower --arena-pages, or give the machine more memory',
      ],
    ]);
  });

  const killed = [
    'problem',
    'the cgroup is limited to 256 MiB, and arena and staging memory need 384 MiB; the kernel will kill the agent',
    'raise the memory limit of the container, or lower --arena-pages',
  ];

  test.each([
    ['version 2', { '/proc/self/cgroup': '0::/pod/c1', '/sys/fs/cgroup/pod/c1/memory.max': `${256 * MIB}` }],
    ['version 2, in a container', { '/proc/self/cgroup': '0::/pod/c1', '/sys/fs/cgroup/memory.max': `${256 * MIB}` }],
    [
      'version 1',
      {
        '/proc/self/cgroup': '9:name=systemd:/\n4:cpu,memory:/pod/c1\n0::/',
        '/sys/fs/cgroup/memory/pod/c1/memory.limit_in_bytes': `${256 * MIB}`,
      },
    ],
  ])('is limited by a cgroup of %s', (_, files) => {
    expect(check(files)).toEqual([killed]);
  });

  test.each([
    ['max', { '/sys/fs/cgroup/memory.max': 'max' }],
    ['a number that means none', { '/sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712' }],
  ])('is not limited by %s', (_, files) => {
    expect(check(files)).toEqual([['ok', '32 GiB of memory are available']]);
  });

  test('memory cannot be read → nothing is judged', () => {
    expect(check({ '/proc/meminfo': '' })).toEqual([['note', 'the available memory cannot be read']]);
  });
});

describe('locked memory', () => {
  const check = (memlock: string, spoilt: Spoilt = {}) => {
    const files = { '/proc/self/limits': limits({ memlock, files: '1024' }), ...spoilt.machine?.files };
    return brief(checkMemlock(examination({ ...spoilt, machine: { files } })));
  };
  const withVerbs = { fabric: { providers: ['same-host', 'verbs', 'tcp'] } };
  const remedy =
    'raise it: LimitMEMLOCK=infinity (systemd), --ulimit memlock=-1 (docker), memlock in /etc/security/limits.conf';

  test('memory without a limit → ok', () => {
    expect(check('unlimited', withVerbs)).toEqual([['ok', 'locked memory is not limited']]);
  });

  test('is not limited for those who may lock all', () => {
    const files = { '/proc/self/status': 'CapEff:\t0000000000004000' };
    expect(check('65536', { ...withVerbs, machine: { files } })).toEqual([['ok', 'locked memory is not limited']]);
  });

  test('matters to devices only', () => {
    expect(check('8388608')).toEqual([
      ['ok', 'the limit of locked memory is 8 MiB; only RDMA devices (verbs, efa) need more'],
    ]);
    expect(check('8388608', { ...withVerbs, flags: { provider: 'tcp' } })[0]?.[0]).toBe('ok');
  });

  test('is less than a device must register', () => {
    const text = 'the limit of locked memory is 8 MiB; verbs registers 384 MiB of arena';
    const each = ' and 16 MiB for each receiver that it writes to';
    expect(check('8388608', { ...withVerbs, flags: { role: 'decode' } })).toEqual([['problem', text, remedy]]);
    expect(check('8388608', { ...withVerbs, flags: { role: 'both' } })).toEqual([['problem', text + each, remedy]]);
  });

  test('T26: the arena counts once, and a window for each receiver → enough or not', () => {
    const text = (limit: string, needs: string) => `the limit of locked memory is ${limit}; verbs registers ${needs}`;
    const each = '16 MiB for each receiver that it writes to';
    expect(check(`${512 * MIB}`, { ...withVerbs, flags: { role: 'decode' } })).toEqual([
      ['ok', text('512 MiB', '384 MiB of arena')],
    ]);
    expect(check(`${512 * MIB}`, { ...withVerbs, flags: { role: 'both' } })).toEqual([
      ['warning', text('512 MiB', `384 MiB of arena and ${each}: enough for 8 receivers at once`), remedy],
    ]);
    expect(check(`${512 * MIB}`, { ...withVerbs, flags: { role: 'prefill' } })).toEqual([
      ['ok', text('512 MiB', `${each}: enough for 32 receivers at once`)],
    ]);
  });

  test('T26: slices are larger than the window → each receiver needs a slice', () => {
    const flags = { role: 'prefill', windowBytes: '4MiB', sliceBytes: '8MiB' };
    expect(check(`${256 * MIB}`, { ...withVerbs, flags })).toEqual([
      [
        'ok',
        'the limit of locked memory is 256 MiB; verbs registers 8 MiB for each receiver that it writes to: enough for 32 receivers at once',
      ],
    ]);
  });

  test('is shared by the senders of an agent with EFA', () => {
    const withEfa = { fabric: { providers: ['efa'] } } as const;
    const text = (limit: string) =>
      `the limit of locked memory is ${limit}; efa registers 384 MiB of arena for each sender`;
    expect(check(`${GIB}`, { ...withEfa, flags: { role: 'decode' } })).toEqual([
      ['warning', `${text('1 GiB')}: enough for 2 senders`, remedy],
    ]);
    expect(check(`${64 * MIB}`, { ...withEfa, flags: { role: 'decode' } })).toEqual([
      ['problem', `${text('64 MiB')}: enough for 0 senders`, remedy],
    ]);
  });

  test('the limit of locked memory cannot be read → nothing is judged', () => {
    const files = { '/proc/self/limits': '' };
    expect(check('1', { machine: { files } })).toEqual([['note', 'the limit of locked memory cannot be read']]);
  });
});

describe('huge pages', () => {
  const check = (files: Readonly<Record<string, string>> = {}) =>
    brief(checkHugePages(examination({ machine: { files } })));
  const none = [
    'note',
    '/dev/shm gives no huge pages (huge=never); with them copies take less processor time',
    'mount -o remount,huge=advise /dev/shm',
  ];

  test('are given by the file system of the arena, or not', () => {
    const mounts = 'dev /dev devtmpfs rw,huge=always 0 0\nshm /dev/shm tmpfs rw,size=1k';
    expect(check()).toEqual([none]);
    expect(check({ '/proc/self/mounts': `${mounts} 0 0` })).toEqual([none]);
    expect(check({ '/proc/self/mounts': `${mounts},huge=advise 0 0` })).toEqual([
      ['ok', '/dev/shm gives huge pages (huge=advise)'],
    ]);
  });

  test('that are reserved are not used', () => {
    expect(check({ '/proc/meminfo': 'HugePages_Total:    1024\nHugepagesize:       2048 kB' })).toEqual([
      none,
      [
        'note',
        '2 GiB are reserved as huge pages; arenas are in a tmpfs and do not use them',
        'reserve fewer (sysctl vm.nr_hugepages) if no other program on this machine needs them',
      ],
    ]);
  });
});
