/** T28: a directory of keys that a run, a hand or a wrong clock has left in an odd state. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { makeKeys } from '../../src/keys/make-keys.js';

const MS_PER_DAY = 86_400_000;
let directory: string;
const file = (name: string) => join(directory, name);
const read = (name: string) => readFileSync(file(name), 'utf8');
const make = (users: string[] = [], serverNames: string[] = []) => makeKeys({ directory, users, serverNames });
const changed = async () => (await make()).filter(({ state }) => state !== 'kept');
const refused = (message: string) => ({ code: 'invalid_configuration', message: expect.stringContaining(message) });

/** Whether NATS can use the certificate, and clients that have ca.pem trust it. */
function isServable(): boolean {
  const [server, authority] = ['server/server.pem', 'ca.pem'].map((name) => new X509Certificate(read(name)));
  return (
    server !== undefined &&
    authority !== undefined &&
    server.checkPrivateKey(createPrivateKey(read('server/server-key.pem'))) &&
    server.verify(authority.publicKey)
  );
}

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'kvferry-half-made-'));
});

afterEach(() => {
  vi.useRealTimers();
  rmSync(directory, { recursive: true });
});

describe('keys that are missing', () => {
  test('T28: the key of the server was lost → a certificate for the new one', async () => {
    await make();
    rmSync(file('server/server-key.pem'));
    expect(await changed()).toEqual([
      { path: 'server/server-key.pem', state: 'made' },
      { path: 'server/server.pem', state: 'renewed' },
    ]);
    expect(isServable()).toBe(true);
  });

  test.each([
    ['private/ca-key.pem', 'ca.pem'],
    ['private/account.nk', 'signing/prefill-agent.nk'],
  ])('T28: %s was moved away → refused, and no other is made', async (name, made) => {
    await make();
    rmSync(file(name));
    await expect(make()).rejects.toMatchObject(
      refused(`the file ${file(name)} is missing, and ${made} was made with its key`),
    );
    expect(existsSync(file(name))).toBe(false);
  });

  test.each([
    ['private/ca-key.pem', 'ca.pem', 'is not the certificate of private/ca-key.pem'],
    ['private/account.nk', 'signing/prefill-agent.nk', 'does not contain the key that kvferry keys has written'],
  ])('T28: %s of another directory → refused', async (name, made, message) => {
    await make();
    const other = file('other');
    await makeKeys({ directory: other, users: [], serverNames: [] });
    copyFileSync(join(other, name), file(name));
    await expect(make()).rejects.toMatchObject(refused(`the file ${file(made)} ${message}`));
  });

  test('T28: the operator and the account are exchanged → refused', async () => {
    await make();
    const [operator, account] = [read('private/operator.nk'), read('private/account.nk')];
    writeFileSync(file('private/operator.nk'), account);
    writeFileSync(file('private/account.nk'), operator);
    await expect(make()).rejects.toMatchObject(refused(`the file ${file('private/operator.nk')} does not contain`));
  });

  test.each(['private/ca-key.pem', 'server/server-key.pem', 'ca.pem', 'server/server.pem'])(
    'T28: %s is cut → refused with its path',
    async (name) => {
      await make();
      writeFileSync(file(name), read(name).slice(0, 40));
      await expect(make()).rejects.toMatchObject(refused(`the file ${file(name)} is not `));
    },
  );
});

describe('runs that meet or end early', () => {
  test('T28: any prefix of the files of a run → the next run makes the others', async () => {
    await make();
    const inOrder = [
      'private/ca-key.pem',
      'ca.pem',
      'server/server-key.pem',
      'server/server.pem',
      'private/operator.nk',
    ];
    const whole = file('whole');
    for (let kept = 0; kept <= inOrder.length; kept += 1) {
      const partial = join(whole, `${kept}`);
      for (const name of inOrder.slice(0, kept)) {
        mkdirSync(join(partial, name, '..'), { recursive: true });
        copyFileSync(file(name), join(partial, name));
      }
      const files = await makeKeys({ directory: partial, users: [], serverNames: [] });
      expect(files.filter(({ state }) => state === 'kept').map(({ path }) => path)).toEqual(
        inOrder.slice(0, kept).sort(),
      );
    }
  });

  test('T28: two runs at once → both succeed with the same keys', async () => {
    const runs = await Promise.all([make(), make()]);
    for (const files of runs) expect(files.map(({ path }) => path)).toEqual(runs[0]?.map(({ path }) => path));
    expect(isServable()).toBe(true);
    expect(await changed()).toEqual([]);
  });

  test('T28: nothing but the files of the table is left in the directory', async () => {
    const files = await make();
    const found = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(found.map((entry) => join(entry.parentPath, entry.name)).sort()).toEqual(
      files.map(({ path }) => file(path)),
    );
  });

  test('T28: a link that leads nowhere in the place of a key → refused', async () => {
    mkdirSync(file('private'));
    symlinkSync(file('elsewhere'), file('private/operator.nk'));
    await expect(make()).rejects.toMatchObject(refused(`the file ${file('private/operator.nk')} is there already`));
    expect(existsSync(file('elsewhere'))).toBe(false);
  });
});

describe('a wrong clock', () => {
  test('T28: a day ahead when the certificates were made → the next run makes them again', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + MS_PER_DAY });
    await make();
    vi.useRealTimers();
    expect(await changed()).toEqual([
      { path: 'ca.pem', state: 'renewed' },
      { path: 'server/server.pem', state: 'renewed' },
    ]);
    expect(isServable()).toBe(true);
    expect(await changed()).toEqual([]);
  });
});

describe('names', () => {
  test.each(['nats:4222', 'nats://nats', ':::', '*', 'a..b', '-.', 'a.*', `${'a'.repeat(64)}.b`, 'x.'.repeat(127)])(
    'T28: --server-name %s → refused before anything is made',
    async (name) => {
      await expect(make([], [name])).rejects.toMatchObject(refused('is not the name or the address of a host'));
      expect(readdirSync(directory)).toEqual([]);
    },
  );

  test('T28: names, addresses and a domain → in the certificate', async () => {
    await make([], ['*.nats.svc', 'nats-0', '10.0.0.7', '2001:DB8::0:7']);
    const { subjectAltName = '' } = new X509Certificate(read('server/server.pem'));
    expect(subjectAltName.split(', ').slice(3)).toEqual([
      ...['DNS:*.nats.svc', 'DNS:nats-0', 'IP Address:10.0.0.7', 'IP Address:2001:DB8:0:0:0:0:0:7'],
    ]);
    expect(await changed()).toEqual([]);
  });

  test('T28: a name that has a file with other rights → refused with the file', async () => {
    await make(['prefill-engine:e:prefill-0@team-a']);
    await make(['prefill-engine:e:prefill-0@team-a']);
    const message = `the file ${file('users/e.creds')} has another role, agent, tenant or signing key`;
    for (const user of ['observer:e', 'prefill-engine:e:prefill-1@team-a', 'prefill-engine:e:prefill-0@team-b']) {
      await expect(make([user])).rejects.toMatchObject(refused(message));
    }
    await expect(make(['router:twice', 'observer:twice'])).rejects.toMatchObject(
      refused('users/twice.creds has another'),
    );
  });

  test('T28: a user with the name of a user that is always made → its rights', async () => {
    await make(['router:router@team-a']);
    await make(['router:router@team-a']);
    await expect(make(['router:router'])).rejects.toMatchObject(refused(`${file('users/router.creds')} has another`));
  });

  test('T28: the signing key was made again → its users are refused', async () => {
    await make(['router:r']);
    rmSync(file('signing/router.nk'));
    await expect(make(['router:r'])).rejects.toMatchObject(refused(`${file('users/r.creds')} has another`));
  });
});
