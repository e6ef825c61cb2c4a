/** Everything that a deployment needs to start with NATS permissions and TLS. A second run changes nothing that is there. */
import { readFileSync, rmSync } from 'node:fs';
import { isIP } from 'node:net';
import { KvferryError } from '../protocol/errors.js';
import { canonical, makeCertificates } from './certificates.js';
import { KeyDirectory, type KeyFile, removeUnfinishedOf, writeNew } from './key-directory.js';
import { accountOf, makeKeyTree, signingKeyOf } from './key-tree.js';
import { recordRevocation, revocationsOf } from './revocations.js';
import { makeServerConfig } from './server-config.js';
import { credsOf, isCredsOf, type KeyUser, requireUserName, userIn } from './users.js';

/** The server is always reached under these names by programs of its own host. */
const OWN_HOST = ['localhost', '127.0.0.1', '::1'] as const;
const DEFAULT_USERS = ['observer:observer', 'operator:operator', 'router:router'] as const;
/** `*.example.org` stands for each host of the domain. */
const HOST = /^(?=.{1,253}$)(?:\*\.)?[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*$/;

export interface MakeKeysOptions {
  readonly directory: string;
  /** Names and addresses under which programs reach the server. */
  readonly serverNames: readonly string[];
  /** Each `role:name[:agent][@tenant]`. */
  readonly users: readonly string[];
}

/** Resolves to the files, with what became of each. Throws `invalid_configuration`. */
export async function makeKeys({ directory: path, serverNames, users }: MakeKeysOptions): Promise<KeyFile[]> {
  const wanted = users.map(userIn);
  const names = new Set(wanted.map(({ name }) => name));
  const others = DEFAULT_USERS.map(userIn).filter(({ name }) => !names.has(name));
  for (const name of serverNames) requireHost(name);
  const directory = new KeyDirectory(path);
  directory.removeUnfinished();
  await makeCertificates(directory, [...OWN_HOST, ...serverNames.map(canonical)]);
  await configureServer(directory);
  for (const user of others) await makeUser(directory, user);
  for (const user of wanted) {
    const creds = await makeUser(directory, user);
    if (!isCredsOf(creds, signingKeyOf(directory, user.role), user)) throw other(directory, user);
  }
  return directory.files;
}

function makeUser(directory: KeyDirectory, user: KeyUser): Promise<string> {
  return directory.readOrMake(credsFile(user.name), () => credsOf(signingKeyOf(directory, user.role), user));
}

function other(directory: KeyDirectory, { name, role }: KeyUser): KvferryError {
  const path = directory.fullPath(credsFile(name));
  const message = `the file ${path} has another role, agent, tenant or signing key than --user ${role}:${name} asks for, and a key is never replaced: remove it, or choose another name`;
  return new KvferryError('invalid_configuration', message, { field: 'user' });
}

/** Makes one more user. Returns the path of its file. Throws `invalid_configuration`, also when the file is there. */
export function issueUser(path: string, user: KeyUser, output?: string): string {
  const directory = new KeyDirectory(path);
  const file = output ?? directory.fullPath(credsFile(user.name));
  removeUnfinishedOf(file);
  writeNew(file, credsOf(signingKeyOf(directory, user.role), user));
  return file;
}

/**
 * Takes the rights of a user away: `file`, or the creds file of that name in the directory, which is removed. The server refuses the
 * user when it has read its configuration again. Resolves to the name of the user. Throws `invalid_configuration`.
 */
export async function revokeUser(
  path: string,
  by: { readonly name: string } | { readonly file: string },
): Promise<string> {
  if ('name' in by) requireUserName(by.name);
  const directory = new KeyDirectory(path);
  directory.removeUnfinished();
  const account = accountOf(directory);
  const file = 'name' in by ? directory.fullPath(credsFile(by.name)) : by.file;
  const name = await recordRevocation(directory, readCreds(file), account);
  await configureServer(directory);
  if ('name' in by) rmSync(file, { force: true });
  return name;
}

/** Writes what the server trusts. Another run may revoke a user meanwhile, which must not be lost: then it writes again. */
async function configureServer(directory: KeyDirectory): Promise<void> {
  let revoked: string;
  do {
    revoked = JSON.stringify(revocationsOf(directory));
    makeServerConfig(directory, await makeKeyTree(directory));
  } while (JSON.stringify(revocationsOf(directory)) !== revoked);
}

function readCreds(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    const message = `the creds file ${file} cannot be read: name one with --creds, or renew the key of its role`;
    throw new KvferryError('invalid_configuration', message, { field: 'creds', cause });
  }
}

function credsFile(name: string): string {
  return `users/${name}.creds`;
}

function requireHost(name: string): void {
  if (isIP(name) !== 0 || HOST.test(name)) return;
  const message = `--server-name ${JSON.stringify(name)} is not the name or the address of a host; it has no port`;
  throw new KvferryError('invalid_configuration', message, { field: 'serverName' });
}
