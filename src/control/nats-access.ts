/**
 * How a program proves to NATS who it is, and how it recognises the server. All of it is in files, which are read again for
 * every connection: a renewed file needs no restart.
 */
import { readFileSync } from 'node:fs';
import {
  type Authenticator,
  credsAuthenticator,
  jwtAuthenticator,
  nkeyAuthenticator,
  type TlsOptions,
} from '@nats-io/transport-node';
import { KvferryError } from '../protocol/errors.js';
import { newUser, signingKeyIn } from './nats-jwt.js';

/** The options of the command line have the same names: `creds` is `--nats-creds`. */
export interface NatsAccess {
  /** File with the JWT and the seed of a user, as `nsc generate creds` writes it. */
  readonly creds?: string | undefined;
  /** File with the seed of an nkey. */
  readonly nkey?: string | undefined;
  /** File with the signing key of a role, as `kvferry keys` writes it. The program makes itself a user for each connection. */
  readonly signingKey?: string | undefined;
  /** File with the certificates of the authorities that may sign the server's certificate. Default: those of Node.js. */
  readonly ca?: string | undefined;
  /** File with the certificate of this program, and the file with its private key. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** `required`: only a server with TLS. The default is `required` with `ca`, `cert` or a URL that begins with `tls://`. */
  readonly tls?: 'auto' | 'required' | undefined;
}

/** Where the program reports a file that it cannot read. */
type Unreadable = (file: string, error: unknown) => void;

const NKEY_SEED = /^SU[A-Z2-7]{56}$/m;
const TLS_SCHEME = /^tls:\/\//i;

/** Whether a server without TLS is refused. */
function requiresTls({ ca, cert, tls }: NatsAccess, servers: readonly string[]): boolean {
  return tls === 'required' || ca !== undefined || cert !== undefined || servers.some((url) => TLS_SCHEME.test(url));
}

/** Throws `invalid_configuration` when two options contradict each other, or a file is not what it must be. */
export function checkAccess(access: NatsAccess): void {
  const { creds, nkey, signingKey, ca, cert, key } = access;
  const [, second] = Object.entries({ creds, nkey, signingKey }).filter(([, file]) => file !== undefined);
  if (second !== undefined) {
    throw invalid(second[0] as keyof Files, '--nats-creds, --nats-nkey and --nats-signing-key: give one of them');
  }
  if (cert !== undefined && key === undefined) throw invalid('key', '--nats-cert needs --nats-key, its private key');
  if (key !== undefined && cert === undefined) throw invalid('cert', '--nats-key needs --nats-cert, its certificate');
  for (const [name, file] of Object.entries({ creds, nkey, signingKey, ca, cert, key })) {
    if (file !== undefined) checkFile(name as keyof Files, file);
  }
}

type Files = Omit<NatsAccess, 'tls'>;

const contents: Record<keyof Files, { readonly check: (content: Buffer) => unknown; readonly what: string }> = {
  creds: { check: (content) => credsAuthenticator(content)('nonce'), what: 'the JWT and the seed of a user' },
  nkey: { check: (content) => nkeyAuthenticator(seedIn(content))('nonce'), what: 'the seed of a user (SU…)' },
  signingKey: {
    check: (content) => signingKeyIn(content.toString('latin1')),
    what: 'the signing key of a role, as kvferry keys writes it',
  },
  ca: { check: requirePem, what: 'certificates in PEM' },
  cert: { check: requirePem, what: 'a certificate in PEM' },
  key: { check: requirePem, what: 'a private key in PEM' },
};

/** The errors show the path, and nothing of the content. */
function checkFile(name: keyof Files, file: string): void {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? 'no reason';
    throw invalid(name, `the file ${file} cannot be read (${reason})`, cause);
  }
  try {
    contents[name].check(content);
  } catch {
    throw invalid(name, `the file ${file} does not contain ${contents[name].what}`);
  }
}

function requirePem(content: Buffer): void {
  if (!content.includes('-----BEGIN ')) throw new TypeError('no PEM');
}

function seedIn(content: Buffer): Uint8Array {
  const seed = NKEY_SEED.exec(content.toString('latin1'))?.[0];
  if (seed === undefined) throw new TypeError('no seed');
  return Buffer.from(seed);
}

/** Options of the NATS client. Call `checkAccess` first. `user` is the name of a user that `signingKey` signs. */
export function accessOptions(
  access: NatsAccess,
  {
    servers,
    user,
    unreadable,
  }: { readonly servers: readonly string[]; readonly user: string; readonly unreadable: Unreadable },
): { authenticator?: Authenticator; tls?: TlsOptions } {
  const { creds, nkey, signingKey, ca, cert, key } = access;
  const tls: TlsOptions = {
    ...(ca === undefined ? {} : { caFile: ca }),
    ...(cert === undefined ? {} : { certFile: cert, keyFile: key as string }),
  };
  return {
    ...(creds === undefined ? {} : { authenticator: fromFile(creds, credsAuthenticator, unreadable) }),
    ...(nkey === undefined
      ? {}
      : { authenticator: fromFile(nkey, (content) => nkeyAuthenticator(seedIn(content)), unreadable) }),
    ...(signingKey === undefined
      ? {}
      : { authenticator: fromFile(signingKey, (content) => asNewUser(content, user), unreadable) }),
    ...(requiresTls(access, servers) ? { tls } : {}),
  };
}

/** Only this process has the key of the user, and only as long as the connection lasts. */
function asNewUser(content: Buffer, name: string): Authenticator {
  const { jwt, seed } = newUser(signingKeyIn(content.toString('latin1')), { name });
  return jwtAuthenticator(jwt, seed);
}

/** An error of an authenticator would end the connection for good, so a file that is being replaced counts as unchanged. */
function fromFile(
  file: string,
  authenticatorOf: (content: Buffer) => Authenticator,
  unreadable: Unreadable,
): Authenticator {
  let last: Authenticator = () => undefined;
  return (nonce) => {
    try {
      const next = authenticatorOf(readFileSync(file));
      const answer = next(nonce);
      last = next;
      return answer;
    } catch (error) {
      unreadable(file, error);
      return last(nonce);
    }
  };
}

function invalid(name: keyof Files, message: string, cause?: unknown): KvferryError {
  const field = `nats${name[0]?.toUpperCase()}${name.slice(1)}`;
  const flag = name === 'signingKey' ? 'signing-key' : name;
  return new KvferryError('invalid_configuration', `--nats-${flag}: ${message}`, { field, cause });
}
