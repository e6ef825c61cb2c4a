/** T28: a run of `kvferry keys` that is killed leaves a file unfinished, which contains a key. */
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { KeyDirectory } from '../../src/keys/key-directory.js';
import { issueUser, makeKeys } from '../../src/keys/make-keys.js';
import { checkedUser } from '../../src/keys/users.js';

vi.mock('node:fs', async (original) => {
  const real = await original<typeof import('node:fs')>();
  return { ...real, linkSync: vi.fn(real.linkSync) };
});

const RANDOM = '1aecdb19-5e68-4ef6-8259-c5efbbf28330';
let directory: string;
const file = (name: string) => join(directory, name);
const make = () => makeKeys({ directory, users: [], serverNames: [] });
const filesIn = (folder: string) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-unfinished-'));
});

afterEach(() => {
  vi.mocked(linkSync).mockReset();
  rmSync(directory, { recursive: true });
});

describe('a run that was killed', () => {
  const left = ['ca.pem', 'private/operator.nk', 'server/nats.conf', 'signing/router.nk', 'users/router.creds'];

  test.each(['before', 'after'])(
    'T28: %s it gave a file its name → the next run leaves no stray file',
    async (when) => {
      if (when === 'after') await make();
      for (const name of left) {
        mkdirSync(join(file(name), '..'), { recursive: true });
        writeFileSync(`${file(name)}.${RANDOM}.next`, 'half a k');
      }
      const files = await make();
      expect(filesIn(directory)).toEqual(files.map(({ path }) => file(path)));
    },
  );

  test('T28: kvferry keys issue was killed → the next call leaves no stray file', async () => {
    await make();
    const elsewhere = file('elsewhere');
    mkdirSync(elsewhere);
    const output = join(elsewhere, 'engine');
    const others = [`${output}-2.${RANDOM}.next`, `${output}.next`, `${output}.txt`];
    for (const path of [`${output}.${RANDOM}.next`, ...others]) writeFileSync(path, 'x');
    issueUser(directory, checkedUser({ role: 'router', name: 'engine', agents: [], tenants: [] }), output);
    expect(filesIn(elsewhere)).toEqual([output, ...others].sort());
  });
});

describe('runs that meet', () => {
  test('T28: another run takes a file for a stray one → it is written again, whole', async () => {
    const [one, other] = [new KeyDirectory(directory), new KeyDirectory(directory)];
    vi.mocked(linkSync).mockImplementationOnce((from) => {
      other.removeUnfinished();
      throw Object.assign(new Error(`no such file: ${String(from)}`), { code: 'ENOENT' });
    });
    expect(await one.readOrMake('private/operator.nk', () => 'key')).toBe('key');
    expect(readFileSync(file('private/operator.nk'), 'utf8')).toBe('key');
    expect(filesIn(directory)).toEqual([file('private/operator.nk')]);
  });
});
