/** Users whose creds files are worth nothing any more. The account lists their keys, and the NATS server refuses them. */
import { basename } from 'node:path';
import { credsUserIn } from '../control/nats-jwt.js';
import { KvferryError } from '../protocol/errors.js';
import type { KeyDirectory } from './key-directory.js';

const DIRECTORY = 'private/revoked';
const EXTENSION = '.txt';
const MS_PER_S = 1000;
const FIRST_LINE = /^(\d{10,12}) /;

/** By the public key of the user: the server refuses what was signed until then. Seconds since 1970. */
export type Revocations = Readonly<Record<string, number>>;

/** Throws `invalid_configuration` when one of the files is not what `revokeUser` has written. */
export function revocationsOf(directory: KeyDirectory): Revocations {
  const found = directory.list(DIRECTORY).map((file): [string, number] => {
    const [, untilS] = FIRST_LINE.exec(directory.read(`${DIRECTORY}/${file}`) ?? '') ?? [];
    if (untilS === undefined) throw damaged(directory.fullPath(`${DIRECTORY}/${file}`));
    return [basename(file, EXTENSION), Number(untilS)];
  });
  return Object.fromEntries(found);
}

/**
 * Records that the user of this creds file is revoked. Each user has a file, so two runs at once lose none. Resolves to the name of
 * the user. Throws `invalid_configuration` when the file is not one of a user of this account.
 */
export async function recordRevocation(directory: KeyDirectory, creds: string, account: string): Promise<string> {
  const user = credsUserIn(creds);
  if (user === undefined) throw invalid('the file is not a creds file of NATS');
  if (user.account !== account) {
    throw invalid(`user ${user.name} is of another account than the directory ${directory.path}: name its directory`);
  }
  // The clock of the host that made the user may be ahead.
  const untilS = Math.max(Math.floor(Date.now() / MS_PER_S), user.issuedAtS);
  await directory.readOrMake(`${DIRECTORY}/${user.key}${EXTENSION}`, () => `${untilS} ${user.name}\n`);
  return user.name;
}

function invalid(what: string): KvferryError {
  return new KvferryError('invalid_configuration', what, { field: 'creds' });
}

function damaged(path: string): KvferryError {
  const message = `the file ${path} does not say until when its user is revoked: put it back, or revoke the user again`;
  return new KvferryError('invalid_configuration', message, { field: 'directory' });
}
