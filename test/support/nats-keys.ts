/** What a NATS server and its users prove themselves with: nkeys, JWTs of an operator, and certificates. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { nkeys } from '@nats-io/transport-node';

type KeyPair = ReturnType<typeof nkeys.createUser>;

const UNLIMITED = -1;
const DAYS = '30';
const OPENSSL_SUBJECT = '/CN=kvferry test';

export interface NkeyUser {
  readonly publicKey: string;
  readonly seed: string;
}

export function nkeyUser(): NkeyUser {
  const user = nkeys.createUser();
  return { publicKey: user.getPublicKey(), seed: seedOf(user) };
}

/** An operator with one account: a configuration of the server, and users of the account. */
export class JwtTree {
  readonly #operator = nkeys.createOperator();
  readonly #account = nkeys.createAccount();

  /** The lines of nats.conf. */
  get configuration(): string {
    const operator = signed(this.#operator, this.#operator, 'operator', {});
    const all = { subs: UNLIMITED, data: UNLIMITED, payload: UNLIMITED, conn: UNLIMITED, leaf: UNLIMITED };
    const limits = { ...all, imports: UNLIMITED, exports: UNLIMITED, wildcards: true };
    const account = signed(this.#operator, this.#account, 'account', { limits });
    return [
      `operator: ${operator}`,
      'resolver: MEMORY',
      `resolver_preload: { ${this.#account.getPublicKey()}: ${account} }`,
    ].join('\n');
  }

  /** The content of a file as `nsc generate creds` writes it. */
  creds(): string {
    const user = nkeys.createUser();
    const jwt = signed(this.#account, user, 'user', { subs: UNLIMITED, data: UNLIMITED, payload: UNLIMITED });
    return [
      '-----BEGIN NATS USER JWT-----',
      jwt,
      '------END NATS USER JWT------',
      '',
      '-----BEGIN USER NKEY SEED-----',
      seedOf(user),
      '------END USER NKEY SEED------',
      '',
    ].join('\n');
  }
}

/** An authority that signs certificates for this host. Its files are in the directory. */
export class TestAuthority {
  readonly ca: string;
  readonly #directory: string;
  readonly #name: string;

  constructor(directory: string, name: string) {
    this.#directory = directory;
    this.#name = name;
    this.ca = this.#file('pem');
    openssl('req', '-x509', ...fresh(this.#file('key')), '-out', this.ca, '-days', DAYS);
  }

  certificate(owner: string): { readonly cert: string; readonly key: string } {
    const name = `${this.#name}-${owner}`;
    const [cert, key] = [this.#file('pem', name), this.#file('key', name)];
    const [request, names] = [this.#file('csr', name), this.#file('ext', name)];
    openssl('req', ...fresh(key), '-out', request);
    writeFileSync(names, 'subjectAltName=DNS:localhost,IP:127.0.0.1');
    const signer = ['-CA', this.ca, '-CAkey', this.#file('key'), '-CAcreateserial'];
    openssl('x509', '-req', '-in', request, ...signer, '-out', cert, '-days', DAYS, '-extfile', names);
    return { cert, key };
  }

  #file(ending: string, name = this.#name): string {
    return join(this.#directory, `${name}.${ending}`);
  }
}

/** A new key without a passphrase, for a certificate or a request for one. */
function fresh(key: string): string[] {
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  return [...kind, '-keyout', key, '-subj', OPENSSL_SUBJECT];
}

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' });
}

function seedOf(pair: KeyPair): string {
  return Buffer.from(pair.getSeed()).toString('latin1');
}

function signed(issuer: KeyPair, subject: KeyPair, type: string, nats: object): string {
  const claims = {
    ...{ jti: subject.getPublicKey(), iat: 1_700_000_000, name: type },
    ...{ iss: issuer.getPublicKey(), sub: subject.getPublicKey(), nats: { ...nats, type, version: 2 } },
  };
  const [header, body] = [{ typ: 'JWT', alg: 'ed25519-nkey' }, claims].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  );
  const signature = Buffer.from(issuer.sign(Buffer.from(`${header}.${body}`))).toString('base64url');
  return `${header}.${body}.${signature}`;
}
