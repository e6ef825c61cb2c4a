/** An authority of its own, and the certificate with which the NATS server proves its name. */
// The package of certificates needs it to be loaded first.
import 'reflect-metadata';
import { createPrivateKey, webcrypto, X509Certificate } from 'node:crypto';
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

type Keys = Awaited<ReturnType<typeof keysOf>>;

/** Makes what is missing. The certificate of the server has all of these names, and those that it had. */
export async function makeCertificates(directory: KeyDirectory, names: readonly string[]): Promise<void> {
  const authorityKeys = await keysOf(await directory.readOrMake(AUTHORITY_KEY_FILE, newKey));
  const authority = directory.read(AUTHORITY_FILE) ?? (await authorityOf(authorityKeys));
  directory.write(AUTHORITY_FILE, authority);
  const serverKeys = await keysOf(await directory.readOrMake(SERVER_KEY_FILE, newKey));
  const known = directory.read(SERVER_FILE);
  const wanted = new Set([...names, ...(known === undefined ? [] : namesIn(known))]);
  if (known === undefined || !isGood(known, wanted, authority)) {
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

function isGood(pem: string, names: ReadonlySet<string>, authority: string): boolean {
  const certificate = new X509Certificate(pem);
  const known = new Set(namesIn(pem));
  return (
    new Date(certificate.validTo).getTime() > Date.now() + RENEWAL_DAYS * MS_PER_DAY &&
    certificate.checkIssued(new X509Certificate(authority)) &&
    [...names].every((name) => known.has(name))
  );
}

/** `DNS:localhost, IP Address:127.0.0.1` → localhost, 127.0.0.1 */
function namesIn(pem: string): string[] {
  const { subjectAltName = '' } = new X509Certificate(pem);
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

async function keysOf(
  pem: string,
): Promise<{ readonly privateKey: webcrypto.CryptoKey; readonly publicKey: webcrypto.CryptoKey }> {
  try {
    const key = createPrivateKey(pem);
    const { d: _, key_ops: __, ...open } = key.export({ format: 'jwk' });
    const der = key.export({ format: 'der', type: 'pkcs8' });
    return {
      privateKey: await webcrypto.subtle.importKey('pkcs8', der, KEY, true, ['sign']),
      publicKey: await webcrypto.subtle.importKey('jwk', open, KEY, true, ['verify']),
    };
  } catch (cause) {
    const message =
      'a private key in the directory is not one of ECDSA P-256 in PEM: put the file back, or begin with an empty directory';
    throw new KvferryError('invalid_configuration', message, { field: 'directory', cause });
  }
}

function validFor(days: number): { readonly notBefore: Date; readonly notAfter: Date } {
  return { notBefore: new Date(Date.now() - EARLIER_MS), notAfter: new Date(Date.now() + days * MS_PER_DAY) };
}
