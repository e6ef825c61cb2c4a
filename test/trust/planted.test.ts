import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { expect, onTestFinished, test } from 'vitest';
import { allAttacks } from './attacks/all.js';
import { holes, plant } from './planted.js';

const operator = nkeys.createOperator();
const role = nkeys.createAccount();
const header = encoded({ typ: 'JWT', alg: 'ed25519-nkey' });

function encoded(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url');
}

/** A key directory whose account has a scope for the role of the hole. */
function keyDirectory(scopeKey: string, roleName: string): string {
  const directory = mkdtempSync(join(tmpdir(), 'kvferry-planted-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const name of ['private', 'signing', 'server']) mkdirSync(join(directory, name));
  writeFileSync(join(directory, 'private/operator.nk'), Buffer.from(operator.getSeed()));
  writeFileSync(join(directory, `signing/${roleName}.nk`), Buffer.from(role.getSeed()));
  const template = { pub: { allow: ['a'] }, sub: { allow: ['b'] } };
  const claims = {
    iss: 'O',
    nats: { type: 'account', signing_keys: [{ kind: 'user_scope', key: scopeKey, template }] },
  };
  writeFileSync(
    join(directory, 'server/accounts.conf'),
    `resolver_preload: { A: ${header}.${encoded(claims)}.c2ln }\n`,
  );
  return directory;
}

test('a planted hole → the scope has one right more, signed by the operator', () => {
  const [hole] = holes;
  if (hole === undefined) throw new Error('there is no hole');
  const directory = keyDirectory(role.getPublicKey(), hole.role);
  plant(hole)(directory);
  const token = /eyJ\S+/.exec(readFileSync(join(directory, 'server/accounts.conf'), 'utf8'))?.[0] ?? '';
  const [head, body = '', signature = ''] = token.split('.');
  expect(JSON.parse(Buffer.from(body, 'base64url').toString('utf8'))).toMatchObject({
    nats: { signing_keys: [{ template: { pub: { allow: ['a'] }, sub: { allow: ['b', '>'] } } }] },
  });
  expect(operator.verify(Buffer.from(`${head}.${body}`), Buffer.from(signature, 'base64url'))).toBe(true);
});

test('an account without a scope for the role → planting fails', () => {
  const [hole] = holes;
  if (hole === undefined) throw new Error('there is no hole');
  expect(() => plant(hole)(keyDirectory('AOTHER', hole.role))).toThrow(`has a scope for ${hole.role}`);
});

test('every planted hole has exactly one attack that must find it', () => {
  const counts = holes.map(
    ({ finds, by }) => allAttacks.filter((attack) => attack.by === by && attack.name.includes(finds)).length,
  );
  expect(counts).toEqual(holes.map(() => 1));
});

test('no two attacks have one name and one user', () => {
  const names = allAttacks.map(({ name, by }) => `${by}: ${name}`);
  expect([...names].sort()).toEqual([...new Set(names)].sort());
});
