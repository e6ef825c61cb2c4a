import { describe, expect, test } from 'vitest';
import { checkClockSource } from '../../../../src/observe/doctor/checks/clock-source.js';
import { checkOpenFiles } from '../../../../src/observe/doctor/checks/open-files.js';
import { checkProcessors } from '../../../../src/observe/doctor/checks/processors.js';
import { brief, examination, limits, type Machine } from '../support.js';

describe('processors', () => {
  const check = (machine: Machine) => brief(checkProcessors(examination({ machine })));

  test('many processors → ok', () => {
    expect(check({ processors: 8 })).toEqual([['ok', '8 processors, 8 usable']]);
  });

  test('few processors → a warning', () => {
    expect(check({ processors: 8, processorsUsable: 2 })).toEqual([
      ['note', '8 processors, 2 usable; with 4, threads that move bytes do not wait for each other'],
    ]);
  });

  test.each([
    ['one', { processors: 1 }, '1 processor, 1 usable'],
    [
      'time for one and a half (version 2)',
      { files: { '/sys/fs/cgroup/cpu.max': '150000 100000' } },
      '8 processors, 8 usable, time for 1.5 (cgroup)',
    ],
    [
      'time for one (version 1)',
      {
        files: { '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '100000', '/sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000' },
      },
      '8 processors, 8 usable, time for 1 (cgroup)',
    ],
  ])('are too few: %s', (_, machine, text) => {
    expect(check(machine)).toEqual([
      [
        'warning',
        `${text}; the copy thread starves the event loop, heartbeats come late, and peers declare the agent dead`,
        'give the agent at least 2 (docker run --cpus, Kubernetes: resources.limits.cpu, taskset)',
      ],
    ]);
  });

  test.each([{ '/sys/fs/cgroup/cpu.max': 'max 100000' }, { '/sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1' }])(
    'are not limited: %j',
    (files) => {
      expect(check({ files })).toEqual([['ok', '8 processors, 8 usable']]);
    },
  );
});

describe('the clock source', () => {
  const DIRECTORY = '/sys/devices/system/clocksource/clocksource0';
  const check = (current: string, available: string) =>
    brief(
      checkClockSource(
        examination({
          machine: {
            files: { [`${DIRECTORY}/current_clocksource`]: current, [`${DIRECTORY}/available_clocksource`]: available },
          },
        }),
      ),
    );

  test('a fast clock source → ok', () => {
    expect(check('kvm-clock', 'kvm-clock hpet')).toEqual([
      ['ok', 'the clock source is kvm-clock; agents never compare their clocks'],
    ]);
  });

  test('is slow, and there is a faster one', () => {
    expect(check('hpet', 'tsc hpet acpi_pm')).toEqual([
      [
        'warning',
        'the clock source is hpet, which is slow to read',
        `choose tsc (echo tsc > ${DIRECTORY}/current_clocksource, and clocksource=tsc at boot)`,
      ],
    ]);
  });

  test('is slow, and there is none', () => {
    expect(check('acpi_pm', 'hpet acpi_pm')[0]?.[2]).toBe(
      'the kernel found no faster clock; dmesg | grep -i clocksource gives the reason, often a firmware or hypervisor setting',
    );
  });
});

describe('open files', () => {
  const check = (files: string) =>
    brief(
      checkOpenFiles(examination({ machine: { files: { '/proc/self/limits': limits({ memlock: '0', files }) } } })),
    );

  test.each([
    ['unlimited', [['ok', 'open files are not limited']]],
    ['4096', [['ok', 'the limit of open files is 4096']]],
    [
      '1024',
      [
        [
          'warning',
          'the limit of open files is only 1024; every peer and every segment needs some',
          'raise it to 4096 or more: LimitNOFILE= (systemd), --ulimit nofile= (docker), ulimit -n',
        ],
      ],
    ],
  ])('a limit of %s open files is judged', (limit, expected) => {
    expect(check(limit)).toEqual(expected);
  });
});
