/** An authority of its own, and the certificate with which the NATS server proves its name. */
// The package of certificates needs it to be loaded first.
import 'reflect-metadata';
import { createPrivateKey, createPublicKey, type KeyObject, webcrypto, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { KvferryError } from '../protocol/errors.js';
import type { KeyDirectory } from './key-directory.js';

const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const SIGNATURE = { name: 'ECDSA', hash: 'SHA-256' } as const;
const MS_PER_DAY = 86_400_000;
const AUTHORITY_DAYS = 3650;
const SERVER_DAYS = 365;
/** A certificate that ends earlier is made again. */
const RENEWAL_DAYS = 30;
/** Clocks of clients may be behind. */
const EARLIER_MS = 3_600_000;

const AUTHORITY_FILE = 'ca.pem';
const AUTHORITY_KEY_FILE = 'private/ca-key.pem';
export const SERVER_FILE = 'server/server.pem';
export const SERVER_KEY_FILE = 'server/server-key.pem';

interface Keys {
  readonly key: KeyObject;
  readonly privateKey: webcrypto.CryptoKey;
  readonly publicKey: webcrypto.CryptoKey;
}

/** Makes what is missing. The certificate of the server has all of these names, and those that it had. */
export async function makeCertificates(directory: KeyDirectory, names: readonly string[]): Promise<void> {
  directory.requireKeyOf(AUTHORITY_KEY_FILE, [AUTHORITY_FILE]);
  const authorityKeys = await keysIn(directory, AUTHORITY_KEY_FILE);
  const known = certificateIn(directory, AUTHORITY_FILE);
  if (known !== undefined && !known.checkPrivateKey(authorityKeys.key)) {
    throw damaged(directory.fullPath(AUTHORITY_FILE), `the certificate of private/ca-key.pem`);
  }
  if (known === undefined || !isCurrent(known)) directory.write(AUTHORITY_FILE, await authorityOf(authorityKeys));
  const serverKeys = await keysIn(directory, SERVER_KEY_FILE);
  const server = certificateIn(directory, SERVER_FILE);
  const wanted = new Set([...names, ...(server === undefined ? [] : namesIn(server))]);
  if (server === undefined || !isGood(server, { names: wanted, own: serverKeys, authority: authorityKeys })) {
    directory.write(SERVER_FILE, await certificateOf(serverKeys, [...wanted], authorityKeys));
  }
}

async function authorityOf({ publicKey, privateKey }: Keys): Promise<string> {
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: AUTHORITY_NAME,
    keys: { publicKey, privateKey },
    signingAlgorithm: SIGNATURE,
    ...validFor(AUTHORITY_DAYS),
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

const AUTHORITY_NAME = 'CN=kvferry authority';

async function certificateOf({ publicKey }: Keys, names: readonly string[], authority: Keys): Promise<string> {
  const certificate = await X509CertificateGenerator.create({
    subject: 'CN=kvferry NATS server',
    issuer: AUTHORITY_NAME,
    publicKey,
    signingKey: authority.privateKey,
    signingAlgorithm: SIGNATURE,
    ...validFor(SERVER_DAYS),
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) === 0 ? ('dns' as const) : ('ip' as const), value })),
      ),
    ],
  });
  return `${certificate.toString('pem')}\n`;
}

function isGood(
  certificate: X509Certificate,
  { names, own, authority }: { readonly names: ReadonlySet<string>; readonly own: Keys; readonly authority: Keys },
): boolean {
  const known = new Set(namesIn(certificate));
  return (
    isCurrent(certificate) &&
    certificate.checkPrivateKey(own.key) &&
    certificate.verify(createPublicKey(authority.key)) &&
    [...names].every((name) => known.has(name))
  );
}

/** The clock may have been wrong when it was made: then it begins later than now. */
function isCurrent({ validFrom, validTo }: X509Certificate): boolean {
  const now = Date.now();
  return new Date(validFrom).getTime() <= now && new Date(validTo).getTime() > now + RENEWAL_DAYS * MS_PER_DAY;
}

/** Undefined when there is no such file. */
function certificateIn(directory: KeyDirectory, name: string): X509Certificate | undefined {
  const pem = directory.read(name);
  if (pem === undefined) return undefined;
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw damaged(directory.fullPath(name), 'a certificate in PEM', cause);
  }
}

/** `DNS:localhost, IP Address:127.0.0.1` → localhost, 127.0.0.1 */
function namesIn({ subjectAltName = '' }: X509Certificate): string[] {
  return subjectAltName.split(', ').map((name) => canonical(name.slice(name.indexOf(':') + 1)));
}

/** One spelling of each address. */
export function canonical(name: string): string {
  return isIP(name) === 6 ? new URL(`http://[${name}]`).hostname.slice(1, -1) : name;
}

async function newKey(): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const bytes = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey));
  return createPrivateKey({ key: bytes, format: 'der', type: 'pkcs8' }).export({
    format: 'pem',
    type: 'pkcs8',
  }) as string;
}

/** Makes the key when there is none. */
async function keysIn(directory: KeyDirectory, name: string): Promise<Keys> {
  const pem = await directory.readOrMake(name, newKey);
  try {
    const key = createPrivateKey(pem);
    const { d: _, key_ops: __, ...open } = key.export({ format: 'jwk' });
    const der = key.export({ format: 'der', type: 'pkcs8' });
    return {
      key,
      privateKey: await webcrypto.subtle.importKey('pkcs8', der, KEY, true, ['sign']),
      publicKey: await webcrypto.subtle.importKey('jwk', open, KEY, true, ['verify']),
    };
  } catch (cause) {
    throw damaged(directory.fullPath(name), 'a private key of ECDSA P-256 in PEM', cause);
  }
}

function damaged(path: string, what: string, cause?: unknown): KvferryError {
  const message = `the file ${path} is not ${what}: put the file back, or begin with an empty directory`;
  return new KvferryError('invalid_configuration', message, { field: 'directory', cause });
}

function validFor(days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(Date.now() - EARLIER_MS), notAfter: new Date(Date.now() + days * MS_PER_DAY) };
}
