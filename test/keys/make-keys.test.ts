/** T28: `kvferry keys` makes what is missing, never replaces a key, and keeps secrets to their owner. */
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { credsUserIn, userNameIn } from '../../src/control/nats-jwt.js';
import { issueUser, makeKeys, revokeUser } from '../../src/keys/make-keys.js';
import { checkedUser, userIn } from '../../src/keys/users.js';
import { roles } from '../../src/protocol/permissions.js';

const MODES = 0o777;
const work = mkdtempSync(join(tmpdir(), 'kvferry-keys-'));
const directory = join(work, 'keys');
const file = (name: string) => join(directory, name);
const make = (more: { users?: string[]; serverNames?: string[] } = {}) =>
  makeKeys({ directory, users: more.users ?? [], serverNames: more.serverNames ?? ['nats'] });
const contents = (names: readonly string[]) => names.map((name) => [name, readFileSync(file(name), 'utf8')]);

const secrets = [
  'private/account.nk',
  'private/ca-key.pem',
  'private/operator.nk',
  'private/system.nk',
  'server/server-key.pem',
  ...roles.map((role) => `signing/${role}.nk`),
  ...['observer', 'operator', 'router'].map((user) => `users/${user}.creds`),
];
const open = ['ca.pem', 'server/accounts.conf', 'server/nats.conf', 'server/server.pem'];
const all = [...secrets, ...open].sort();

beforeAll(async () => {
  const files = await make();
  expect(files).toEqual(all.map((path) => ({ path, state: 'made' })));
});

afterAll(() => rmSync(work, { recursive: true }));

describe('kvferry keys', () => {
  test('a second run → changes nothing', async () => {
    const before = contents(all);
    expect(await make()).toEqual(all.map((path) => ({ path, state: 'kept' })));
    expect(contents(all)).toEqual(before);
  });

  test('every file with a key → readable by its owner alone, as are the directories', () => {
    expect(secrets.filter((name) => (statSync(file(name)).mode & MODES) !== 0o600)).toEqual([]);
    expect(
      ['', 'private', 'server', 'signing', 'users'].filter((name) => (statSync(file(name)).mode & MODES) !== 0o700),
    ).toEqual([]);
  });

  test('the configuration of the server → contains no key', () => {
    const seeds = /\bS[OAU][A-Z2-7]{56}\b|PRIVATE/;
    expect(open.filter((name) => seeds.test(readFileSync(file(name), 'utf8')))).toEqual([]);
  });

  test('a missing file → is made again, with the keys that are there', async () => {
    const before = contents(secrets);
    for (const name of ['server/accounts.conf', 'server/server.pem']) rmSync(file(name));
    const made = (await make()).filter(({ state }) => state === 'made').map(({ path }) => path);
    expect([made, contents(secrets)]).toEqual([['server/accounts.conf', 'server/server.pem'], before]);
  });

  test('one more name of the server → a certificate for it too, with the same key', async () => {
    const key = readFileSync(file('server/server-key.pem'), 'utf8');
    const files = await make({ serverNames: ['nats-1.example.org', '10.0.0.7'] });
    expect(files.filter(({ state }) => state !== 'kept')).toEqual([{ path: 'server/server.pem', state: 'renewed' }]);
    const certificate = new X509Certificate(readFileSync(file('server/server.pem')));
    const names = ['DNS:localhost', 'IP Address:127.0.0.1', 'IP Address:0:0:0:0:0:0:0:1', 'DNS:nats-1.example.org'];
    expect(certificate.subjectAltName?.split(', ')).toEqual([...names, 'IP Address:10.0.0.7', 'DNS:nats']);
    expect(certificate.verify(new X509Certificate(readFileSync(file('ca.pem'))).publicKey)).toBe(true);
    expect(readFileSync(file('server/server-key.pem'), 'utf8')).toBe(key);
  });

  test('changes of an operator in nats.conf → stay', async () => {
    const changed = `${readFileSync(file('server/nats.conf'), 'utf8')}\n# ours\n`;
    writeFileSync(file('server/nats.conf'), changed);
    await make();
    expect(readFileSync(file('server/nats.conf'), 'utf8')).toBe(changed);
  });

  test('a user on the command line → gets a creds file with its name', async () => {
    await make({ users: ['prefill-engine:engine-7:prefill-7@team-a'] });
    expect(userNameIn(readFileSync(file('users/engine-7.creds'), 'utf8'))).toBe('engine-7');
  });

  test('a damaged key → refused with the file and the remedy, and nothing is replaced', async () => {
    const broken = join(work, 'broken');
    await makeKeys({ directory: broken, users: [], serverNames: [] });
    writeFileSync(join(broken, 'signing/router.nk'), 'no key');
    const message = `the file ${join(broken, 'signing/router.nk')} does not contain the key that kvferry keys has written: put it back, or begin with an empty directory`;
    await expect(makeKeys({ directory: broken, users: [], serverNames: [] })).rejects.toMatchObject({
      code: 'invalid_configuration',
      message,
    });
    expect(readFileSync(join(broken, 'signing/router.nk'), 'utf8')).toBe('no key');
  });
});

describe('kvferry keys issue', () => {
  test('one more user → one more file, and nothing else changes', () => {
    const user = checkedUser({ role: 'prefill-agent', name: 'prefill-7', agents: [], tenants: [] });
    const output = join(work, 'elsewhere', 'prefill-7.creds');
    expect(issueUser(directory, user, output)).toBe(output);
    expect([userNameIn(readFileSync(output, 'utf8')), statSync(output).mode & MODES]).toEqual(['prefill-7', 0o600]);
  });

  test('a file that is there → is not replaced', () => {
    const user = checkedUser({ role: 'router', name: 'router', agents: [], tenants: [] });
    const path = file('users/router.creds');
    const message = `the file ${path} is there already, and a key is never replaced: remove it, or name another file`;
    expect(() => issueUser(directory, user)).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message }),
    );
  });

  test('a directory without keys → the remedy, and no file', () => {
    const user = checkedUser({ role: 'router', name: 'router', agents: [], tenants: [] });
    const empty = join(work, 'empty');
    const message = `there is no signing key ${join(empty, 'signing/router.nk')}: make it with kvferry keys --directory ${empty}`;
    expect(() => issueUser(empty, user)).toThrow(expect.objectContaining({ code: 'invalid_configuration', message }));
    expect(existsSync(empty)).toBe(false);
  });
});

describe('kvferry keys revoke', () => {
  const issue = (name: string) => issueUser(directory, checkedUser({ role: 'router', name, agents: [], tenants: [] }));
  const keyIn = (path: string) => credsUserIn(readFileSync(path, 'utf8'))?.key ?? '';
  /** What the account says about revoked users, by their keys. */
  function revocations(): Record<string, number> {
    const accounts = readFileSync(file('server/accounts.conf'), 'utf8').matchAll(/^ {2}A\w+: [^.]+\.([^.]+)\./gm);
    const claims = [...accounts].map(([, claim = '']) => JSON.parse(Buffer.from(claim, 'base64url').toString()));
    return claims.map(({ nats }) => nats.revocations).find((some) => some !== undefined) ?? {};
  }

  test('a user by name → in the account from now on, and a next run keeps it', async () => {
    const key = keyIn(issue('gone'));
    const beforeS = Math.floor(Date.now() / 1000);
    expect(await revokeUser(directory, { name: 'gone' })).toBe('gone');
    expect(revocations()[key]).toBeGreaterThanOrEqual(beforeS);
    const kept = revocations();
    await make();
    expect(revocations()).toEqual(kept);
  });

  test('a name that was revoked → may be issued again, with another key', async () => {
    const key = keyIn(issue('again'));
    await revokeUser(directory, { name: 'again' });
    const next = keyIn(issue('again'));
    expect([next === key, next in revocations()]).toEqual([false, false]);
  });

  test('a creds file elsewhere → its user is revoked, and the file stays', async () => {
    const output = join(work, 'copies', 'copy.creds');
    issueUser(directory, checkedUser({ role: 'router', name: 'copy', agents: [], tenants: [] }), output);
    expect(await revokeUser(directory, { file: output })).toBe('copy');
    expect(revocations()).toHaveProperty(keyIn(output));
    expect(await revokeUser(directory, { file: output })).toBe('copy');
  });

  test('a user whose clock was ahead → revoked at the time of its token', async () => {
    const path = issue('ahead');
    const text = readFileSync(path, 'utf8');
    const [, claims = ''] = /\.([^.]+)\./.exec(text) ?? [];
    const iat = 4_000_000_000;
    const later = Buffer.from(
      JSON.stringify({ ...JSON.parse(Buffer.from(claims, 'base64url').toString()), iat }),
    ).toString('base64url');
    writeFileSync(path, text.replace(claims, later));
    const key = keyIn(path);
    await revokeUser(directory, { name: 'ahead' });
    expect(revocations()[key]).toBe(iat);
  });

  test('many at once → the account lists every one of them', async () => {
    const names = ['m0', 'm1', 'm2', 'm3', 'm4'];
    const users = names.map((name) => keyIn(issue(name)));
    await Promise.all(names.map((name) => revokeUser(directory, { name })));
    expect(Object.keys(revocations())).toEqual(expect.arrayContaining(users));
  });

  test('a path as a name, no creds file, a user of another directory → refused', async () => {
    const other = join(work, 'other');
    await makeKeys({ directory: other, users: [], serverNames: [] });
    const refusals = await Promise.all(
      [{ name: '../router' }, { file: file('ca.pem') }, { file: join(other, 'users/router.creds') }].map((by) =>
        revokeUser(directory, by).catch(({ code, message }) => [code, message]),
      ),
    );
    expect(refusals).toEqual([
      ['invalid_configuration', expect.stringContaining('is not the name of a user')],
      ['invalid_configuration', 'the file is not a creds file of NATS'],
      [
        'invalid_configuration',
        `user router is of another account than the directory ${directory}: name its directory`,
      ],
    ]);
  });

  test('a directory without keys → refused, and nothing is made', async () => {
    const empty = join(work, 'no-keys');
    await expect(revokeUser(empty, { name: 'router' })).rejects.toMatchObject({
      message: expect.stringContaining('name the directory that kvferry keys has made'),
    });
    expect(existsSync(empty)).toBe(false);
  });
});

describe('a user', () => {
  test('role, name, agent and tenant → read', () => {
    expect(userIn('decode-engine:e-1:decode-0@team-a')).toEqual({
      role: 'decode-engine',
      name: 'e-1',
      agents: ['decode-0'],
      tenants: ['team-a'],
    });
  });

  test.each([
    ['router', '--user "router" is not role:name, role:name:agent or role:name@tenant'],
    ['root:r', 'there is no role "root"; the roles are '],
    ['router:*', '"*" is not the name of a user: use letters, digits, _ and -, up to 64'],
    ['router:r@*', '"*" is not the name of a tenant'],
    ['router:r@_all', '"_all" is not the name of a tenant'],
    ['router:r@Team-A', 'tenant Team-A has upper case, which NATS does not keep apart in users: name it team-a'],
    ['prefill-engine:e:a.b', '"a.b" is not the name of an agent'],
  ])('the user %s → refused with the reason', (text, message) => {
    expect(() => userIn(text)).toThrow(
      expect.objectContaining({ code: 'invalid_configuration', message: expect.stringContaining(message) }),
    );
  });
});
