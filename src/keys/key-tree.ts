/**
 * The keys of NATS: an operator, an account, and a signing key for each role. The server trusts the operator. The account names the
 * rights of each signing key, so a user that such a key has signed has these rights and no others.
 */
import { nkeys } from '@nats-io/transport-node';
import { type KeyPair, type SigningKey, signingKeyIn, signingKeyText, signJwt } from '../control/nats-jwt.js';
import { KvferryError } from '../protocol/errors.js';
import { type NatsRole, type Rights, rightsOf, roles } from '../protocol/permissions.js';
import type { KeyDirectory } from './key-directory.js';
import { revocationsOf } from './revocations.js';

const UNLIMITED = -1;
/** The same keys and rights always give the same text, so a second run changes nothing. */
const ISSUED_AT_S = 1_700_000_000;

const OPERATOR_FILE = 'private/operator.nk';
const ACCOUNT_FILE = 'private/account.nk';
/** Of the server's own messages. No user of it is made. */
const SYSTEM_FILE = 'private/system.nk';

function signingFile(role: NatsRole): string {
  return `signing/${role}.nk`;
}

/** Makes the keys that are missing. Resolves to the part of the server's configuration that trusts them. */
export async function makeKeyTree(directory: KeyDirectory): Promise<string> {
  const operator = await pairIn(directory, OPERATOR_FILE, nkeys.createOperator);
  directory.requireKeyOf(ACCOUNT_FILE, roles.map(signingFile));
  const account = await pairIn(directory, ACCOUNT_FILE, nkeys.createAccount);
  const system = await pairIn(directory, SYSTEM_FILE, nkeys.createAccount);
  const scopes: object[] = [];
  for (const role of roles) {
    const make = () => signingKeyText(seedOf(nkeys.createAccount()), account.getPublicKey());
    const path = directory.fullPath(signingFile(role));
    const key = signingKey(await directory.readOrMake(signingFile(role), make), path);
    if (key.account !== account.getPublicKey()) throw damaged(path);
    scopes.push(scopeOf(role, key));
  }
  const operatorJwt = signed(operator, operator, 'operator', { system_account: system.getPublicKey() });
  const systemJwt = signed(operator, system, 'account', { limits: accountLimits });
  const revocations = revocationsOf(directory);
  const accountJwt = signed(operator, account, 'account', {
    limits: accountLimits,
    signing_keys: scopes,
    ...(Object.keys(revocations).length === 0 ? {} : { revocations }),
  });
  return [
    '# Made by kvferry keys from the keys in its directory. The next run writes it again, so changes are lost.',
    `operator: ${operatorJwt}`,
    `system_account: ${system.getPublicKey()}`,
    'resolver: MEMORY',
    'resolver_preload: {',
    `  ${account.getPublicKey()}: ${accountJwt}`,
    `  ${system.getPublicKey()}: ${systemJwt}`,
    '}',
    '',
  ].join('\n');
}

/** Public key of the account. Throws `invalid_configuration` when the directory has none. */
export function accountOf(directory: KeyDirectory): string {
  const path = directory.fullPath(ACCOUNT_FILE);
  const text = directory.read(ACCOUNT_FILE);
  if (text !== undefined) return pairOf(text, path, nkeys.createAccount).getPublicKey();
  const message = `there is no key of an account at ${path}: name the directory that kvferry keys has made`;
  throw new KvferryError('invalid_configuration', message, { field: 'directory' });
}

/** Throws `invalid_configuration` when the role has no key in the directory. */
export function signingKeyOf(directory: KeyDirectory, role: NatsRole): SigningKey {
  const path = directory.fullPath(signingFile(role));
  const text = directory.read(signingFile(role));
  if (text !== undefined) return signingKey(text, path);
  const message = `there is no signing key ${path}: make it with kvferry keys --directory ${directory.path}`;
  throw new KvferryError('invalid_configuration', message, { field: 'directory' });
}

function signingKey(text: string, path: string): SigningKey {
  try {
    return signingKeyIn(text);
  } catch (cause) {
    throw damaged(path, cause);
  }
}

const noLimits = { subs: UNLIMITED, data: UNLIMITED, payload: UNLIMITED };
const accountLimits = { ...noLimits, conn: UNLIMITED, leaf: 0, imports: 0, exports: 0, wildcards: true };

function scopeOf(role: NatsRole, { pair }: SigningKey): object {
  return {
    kind: 'user_scope',
    key: pair.getPublicKey(),
    role,
    template: { ...noLimits, ...permissionsOf(rightsOf(role)) },
  };
}

function permissionsOf({ publish, subscribe }: Rights): object {
  return {
    pub: { allow: publish },
    sub: { allow: subscribe },
  };
}

async function pairIn(directory: KeyDirectory, name: string, create: () => KeyPair): Promise<KeyPair> {
  const text = await directory.readOrMake(name, () => `${seedOf(create())}\n`);
  return pairOf(text, directory.fullPath(name), create);
}

function pairOf(text: string, path: string, create: () => KeyPair): KeyPair {
  let pair: KeyPair;
  try {
    pair = nkeys.fromSeed(Buffer.from(text.trim()));
  } catch (cause) {
    throw damaged(path, cause);
  }
  // The first letter says what the key is for.
  if (pair.getPublicKey()[0] !== create().getPublicKey()[0]) throw damaged(path);
  return pair;
}

function damaged(path: string, cause?: unknown): KvferryError {
  const message = `the file ${path} does not contain the key that kvferry keys has written: put it back, or begin with an empty directory`;
  return new KvferryError('invalid_configuration', message, { field: 'directory', cause });
}

function signed(issuer: KeyPair, owner: KeyPair, type: 'operator' | 'account', nats: object): string {
  return signJwt(issuer, { type, name: 'kvferry', subject: owner.getPublicKey(), issuedAtS: ISSUED_AT_S, nats });
}

function seedOf(pair: KeyPair): string {
  return Buffer.from(pair.getSeed()).toString('latin1');
}
