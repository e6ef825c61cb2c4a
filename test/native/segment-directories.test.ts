import { describe, expect, test } from 'vitest';
import { SegmentDirectories } from '../../src/native/segment-directories.js';

const directories = new SegmentDirectories(['/dev/shm/', '/dev/shm/team-a', '/mnt//huge', '/dev/shm']);

test('directories are tidied, each is there once, and the one below comes first', () => {
  expect(directories.paths).toEqual(['/dev/shm/team-a', '/mnt/huge', '/dev/shm']);
  expect(new SegmentDirectories(['/']).paths).toEqual(['/']);
});

test.each([
  ['/dev/shm/engine', 2, 'engine'],
  ['/dev/shm/a/b/engine', 2, 'a/b/engine'],
  ['/dev/shm/team-a/engine', 0, 'engine'],
  ['/dev/shm/team-ab', 2, 'team-ab'],
  ['/mnt/huge/engine', 1, 'engine'],
  ['/dev//shm/./a/../engine', 2, 'engine'],
  ['/dev/shm/..hidden', 2, '..hidden'],
])('%s → below a directory', (path, directory, name) => {
  expect(directories.placeOf(path)).toEqual({ directory, name });
});

test('a path below / → a place', () => {
  expect(new SegmentDirectories(['/']).placeOf('/etc/x')).toEqual({ directory: 0, name: 'etc/x' });
});

describe('T28: refused', () => {
  test.each([
    '/etc/shadow',
    '/dev/shm',
    '/dev/shm/',
    '/dev/shmx/engine',
    '/dev/shm/../../etc/shadow',
    '/dev/shm/team-a/../../../etc/shadow',
    '/proc/self/exe',
    'engine',
    '',
  ])('%j is not below a directory', (path) => {
    const remedy = 'put the file there, or add its directory to --segment-directory of the agent';
    const message = `${path} is not below a directory for segments (/dev/shm/team-a, /mnt/huge, /dev/shm): ${remedy}`;
    expect(() => directories.placeOf(path)).toThrow(expect.objectContaining({ code: 'segment_invalid', message }));
  });

  test.each(['/dev/shm/kvferry-decode-0-1234-arena', '/dev/shm/a/kvferry-x-staging'])(
    '%s has the name of an arena',
    (path) => {
      const message = `${path} has the name of an agent's memory: attach a file of the engine`;
      expect(() => directories.placeOf(path)).toThrow(expect.objectContaining({ code: 'segment_invalid', message }));
    },
  );
});
