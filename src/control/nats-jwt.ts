/** JSON Web Tokens as NATS reads them (version 2), signed with nkeys. The NATS client asks for them in one turn. */
import { nkeys } from '@nats-io/transport-node';

export type KeyPair = ReturnType<typeof nkeys.createUser>;

const MS_PER_S = 1000;
const HEADER = base64url(JSON.stringify({ typ: 'JWT', alg: 'ed25519-nkey' }));

export interface Claims {
  readonly type: 'operator' | 'account' | 'user';
  readonly name: string;
  /** Public key of the owner. */
  readonly subject: string;
  readonly issuedAtS: number;
  readonly nats: object;
}

export function signJwt(issuer: KeyPair, { type, name, subject, issuedAtS, nats }: Claims): string {
  const claims = { jti: subject, iat: issuedAtS, iss: issuer.getPublicKey(), name, sub: subject };
  const payload = `${HEADER}.${base64url(JSON.stringify({ ...claims, nats: { ...nats, type, version: 2 } }))}`;
  return `${payload}.${base64url(issuer.sign(Buffer.from(payload)))}`;
}

/** The signing key of a role. The server has its rights, and gives them to each user that the key has signed. */
export interface SigningKey {
  readonly pair: KeyPair;
  /** Public key of the account that the role belongs to. */
  readonly account: string;
}

export interface UserNames {
  readonly name: string;
  /** What stands for `{{tag(agent)}}` and `{{tag(tenant)}}`. */
  readonly agents?: readonly string[];
  readonly tenants?: readonly string[];
}

/** A new user of the role: its token and its key. */
export function newUser(
  { pair, account }: SigningKey,
  { name, ...more }: UserNames,
): { readonly jwt: string; readonly seed: Uint8Array } {
  const user = nkeys.createUser();
  const tags = tagsOf(more);
  const nats = { issuer_account: account, ...(tags.length === 0 ? {} : { tags }) };
  const issuedAtS = Math.floor(Date.now() / MS_PER_S);
  const jwt = signJwt(pair, { type: 'user', name, subject: user.getPublicKey(), issuedAtS, nats });
  return { jwt, seed: user.getSeed() };
}

function tagsOf({ agents = [], tenants = [] }: Omit<UserNames, 'name'>): string[] {
  return [...agents.map((agent) => `agent:${agent}`), ...tenants.map((tenant) => `tenant:${tenant}`)];
}

const SIGNING_SEED = /^SA[A-Z2-7]{56}$/m;
const ACCOUNT = /^# account (A[A-Z2-7]{55})$/m;

/** Throws `TypeError` when the text is not what `signingKeyText` has made. */
export function signingKeyIn(text: string): SigningKey {
  const [seed] = SIGNING_SEED.exec(text) ?? [];
  const [, account] = ACCOUNT.exec(text) ?? [];
  if (seed === undefined || account === undefined) throw new TypeError('no signing key');
  return { pair: nkeys.fromSeed(Buffer.from(seed)), account };
}

/** The content of a file: the seed, and what a program needs to use it. */
export function signingKeyText(seed: string, account: string): string {
  return `${seed}\n# account ${account}\n`;
}

const USER_JWT = /-----BEGIN NATS USER JWT-----\s+([\w.-]+)/;

/** The name of the user of a creds file; undefined when the text has none. */
export function userNameIn(creds: string): string | undefined {
  const name = userIn(creds)?.name;
  return typeof name === 'string' ? name : undefined;
}

/** Whether `newUser` may have made the user of a creds file from the same key and names. */
export function isUserOf(creds: string, { pair, account }: SigningKey, { name, ...more }: UserNames): boolean {
  const user = userIn(creds);
  return (
    user?.name === name &&
    user.iss === pair.getPublicKey() &&
    user.nats?.issuer_account === account &&
    JSON.stringify(user.nats.tags ?? []) === JSON.stringify(tagsOf(more))
  );
}

export interface CredsUser {
  readonly name: string;
  /** Public key. */
  readonly key: string;
  readonly account: string;
  readonly issuedAtS: number;
}

const USER_KEY = /^U[A-Z2-7]{55}$/;

/** The user of a creds file of `newUser`; undefined when the text is no such file. */
export function credsUserIn(creds: string): CredsUser | undefined {
  const { name, sub: key, iat: issuedAtS, nats } = userIn(creds) ?? {};
  const account = nats?.issuer_account;
  const isUser = typeof name === 'string' && typeof account === 'string' && Number.isSafeInteger(issuedAtS);
  if (!isUser || typeof key !== 'string' || !USER_KEY.test(key)) return undefined;
  return { name, key, account, issuedAtS: issuedAtS as number };
}

interface UserClaims {
  readonly name?: unknown;
  readonly iss?: unknown;
  readonly sub?: unknown;
  readonly iat?: unknown;
  readonly nats?: { readonly issuer_account?: unknown; readonly tags?: readonly unknown[] };
}

function userIn(creds: string): UserClaims | undefined {
  const [, , claims = ''] = /^([^.]+)\.([^.]+)\./.exec(USER_JWT.exec(creds)?.[1] ?? '') ?? [];
  try {
    return JSON.parse(Buffer.from(claims, 'base64url').toString()) as UserClaims;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function base64url(content: string | Uint8Array): string {
  return Buffer.from(content).toString('base64url');
}
