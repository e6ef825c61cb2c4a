/** T28: a run of `kvferry keys` that is killed leaves a file unfinished, which contains a key. */
import { linkSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { KeyDirectory } from '../../src/keys/key-directory.js';
import { issueUser, makeKeys } from '../../src/keys/make-keys.js';
import { checkedUser } from '../../src/keys/users.js';
import { writeWhole } from '../../src/keys/whole-file.js';

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
  test('T28: another run takes a file for a stray one → it is written again, whole', () => {
    const path = file('private/operator.nk');
    let meetings = 0;
    writeWhole(path, 'key', 0o600, (from, to) => {
      meetings += 1;
      if (meetings === 1) new KeyDirectory(directory).removeUnfinished();
      linkSync(from, to);
    });
    expect([meetings, readFileSync(path, 'utf8'), filesIn(directory)]).toEqual([2, 'key', [path]]);
  });
});
