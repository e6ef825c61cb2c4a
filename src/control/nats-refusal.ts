/** Why no NATS server accepted this program, and what to do. The NATS client often knows only that time ran out. */
import { connect, type Socket } from 'node:net';
import { AuthorizationError, errors } from '@nats-io/transport-node';
import type { NatsAccess } from './nats-access.js';
import { hostAndPortOf } from './nats-address.js';

/** What a server says of itself before it asks who the program is. */
interface ServerInfo {
  readonly tls_verify?: boolean;
}

const INFO = /^INFO (.*)\r\n/;
const INFO_TIMEOUT_MS = 1_000;
const INFO_BYTES_MAX = 64 * 1024;

/** Codes of Node.js for a certificate that no known authority has signed. */
const UNKNOWN_AUTHORITY = /^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_SELF_SIGNED|CERT_UNTRUSTED|CERT_SIGNATURE_FAILURE)/;

/** One line, with the remedy if there is one. */
export async function refusalOf(cause: unknown, servers: readonly string[], access: NatsAccess): Promise<string> {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const remedy = remedyOf(cause, reason, access) ?? (await remedyOfTls(servers, access));
  return remedy === undefined ? reason : `${reason}: ${remedy}`;
}

/** Whether the server refused who this program is, so that another attempt is of no use yet. */
export function isRefused(cause: unknown): boolean {
  return cause instanceof AuthorizationError || cause instanceof errors.UserAuthenticationExpiredError;
}

function remedyOf(cause: unknown, reason: string, access: NatsAccess): string | undefined {
  if (isRefused(cause)) return remedyOfUser(access);
  if (/does not support 'tls'/.test(reason)) {
    return 'the server has no TLS, and --nats-tls, --nats-ca, --nats-cert or a tls:// URL requires it: configure it at the server';
  }
  const code = (cause as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (UNKNOWN_AUTHORITY.test(code)) {
    return access.ca === undefined
      ? "name the file of the authority that has signed the server's certificate: --nats-ca"
      : `no authority in ${access.ca} (--nats-ca) has signed the server's certificate`;
  }
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'use a name in the URL for which the server has a certificate';
  return remedyOfTime(code);
}

/** `2031-05-06T07`: so the log does not take the same reason for another one a moment later. */
const HOUR_LENGTH = 13;

/** The clock that judges a certificate is that of this host. */
function remedyOfTime(code: string): string | undefined {
  const now = `${new Date().toISOString().slice(0, HOUR_LENGTH)}Z`;
  if (code === 'CERT_HAS_EXPIRED') {
    return `renew the server's certificate, unless the clock of this host is wrong: it says ${now}`;
  }
  if (code === 'CERT_NOT_YET_VALID')
    return `the clock of this host says ${now}: set it right, or that of the host that made the certificate`;
  return undefined;
}

function remedyOfUser({ creds, nkey, signingKey, cert }: NatsAccess): string {
  if (creds !== undefined) return `the server does not accept the user of ${creds} (--nats-creds): renew the file`;
  if (nkey !== undefined) return `the server does not know the nkey of ${nkey} (--nats-nkey): add it to its users`;
  if (signingKey !== undefined) {
    return `the server does not know the signing key of ${signingKey} (--nats-signing-key): take the file that was made with its configuration`;
  }
  if (cert !== undefined)
    return `the server maps ${cert} (--nats-cert) to no user, or asks for more: --nats-creds, --nats-nkey`;
  return 'give a user by --nats-creds or --nats-nkey, or the right user and password in the URL';
}

/** A server that refuses the certificate of a program only closes the connection. */
async function remedyOfTls(servers: readonly string[], { cert }: NatsAccess): Promise<string | undefined> {
  for (const server of servers) {
    const info = await readInfo(server);
    if (info?.tls_verify !== true) continue;
    return cert === undefined
      ? 'the server asks for a certificate of this program: --nats-cert and --nats-key'
      : `the server does not accept ${cert} (--nats-cert): one of its authorities must have signed it`;
  }
  return undefined;
}

/** Undefined when no server answers there. */
function readInfo(server: string): Promise<ServerInfo | undefined> {
  const { host, port } = hostAndPortOf(server);
  return new Promise((resolve) => {
    let received = '';
    const socket: Socket = connect({ host, port, timeout: INFO_TIMEOUT_MS });
    const finish = (info?: ServerInfo) => {
      socket.destroy();
      resolve(info);
    };
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      received += text;
      const line = INFO.exec(received)?.[1];
      if (line !== undefined) finish(parsed(line));
      else if (received.length > INFO_BYTES_MAX) finish();
    });
    socket.on('timeout', () => finish());
    socket.on('error', () => finish());
    socket.on('close', () => finish());
  });
}

function parsed(line: string): ServerInfo | undefined {
  try {
    return JSON.parse(line) as ServerInfo;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
