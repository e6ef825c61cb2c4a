/** Everything that a deployment needs to start with NATS permissions and TLS. A second run changes nothing that is there. */
import { isIP } from 'node:net';
import { KvferryError } from '../protocol/errors.js';
import { canonical, makeCertificates } from './certificates.js';
import { KeyDirectory, type KeyFile, removeUnfinishedOf, writeNew } from './key-directory.js';
import { makeKeyTree, signingKeyOf } from './key-tree.js';
import { makeServerConfig } from './server-config.js';
import { credsOf, isCredsOf, type KeyUser, userIn } from './users.js';

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
  makeServerConfig(directory, await makeKeyTree(directory));
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

function credsFile(name: string): string {
  return `users/${name}.creds`;
}

function requireHost(name: string): void {
  if (isIP(name) !== 0 || HOST.test(name)) return;
  const message = `--server-name ${JSON.stringify(name)} is not the name or the address of a host; it has no port`;
  throw new KvferryError('invalid_configuration', message, { field: 'serverName' });
}
