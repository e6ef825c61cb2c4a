/** The settings that say where NATS is and how to get in. Agents and tools have the same ones. */
import { z } from 'zod';
import { TIMEOUT_MS_MAX } from '../protocol/limits.js';
import { choice, duration, fileOf } from './field-kinds.js';

export const natsFields = {
  natsUrl: {
    schema: z.string().min(1),
    fallback: 'nats://127.0.0.1:4222',
    explanation: 'Address of the NATS server, or of several, separated by commas. tls:// requires TLS.',
    range: 'nats://[user:password@]host:port,…',
    show: redactCredentials,
  },
  natsCreds: fileOf('File with the JWT and the seed of the user at NATS, as nsc writes it.'),
  natsNkey: fileOf('File with the seed of the nkey of the user at NATS.'),
  natsSigningKey: fileOf(
    'File with the signing key of a role, as kvferry keys writes it. The program makes itself a user with its own name.',
  ),
  natsCa: fileOf('File with the authorities that may sign the certificate of the NATS server. Requires TLS.'),
  natsCert: fileOf('File with the certificate that this program shows to NATS. Requires TLS.'),
  natsKey: fileOf('File with the private key of that certificate.'),
  natsTls: choice(
    z.enum(['auto', 'required']),
    'auto',
    'TLS to NATS: where the server offers it (auto), or no connection without it (required).',
  ),
  natsConnectTimeoutMs: duration(0, TIMEOUT_MS_MAX, '30s', 'Time to wait for NATS when the agent starts.'),
} as const;

/** `nats://user:password@host` → `nats://***@host`. */
export function redactCredentials(urls: string): string {
  return urls.replaceAll(/([a-z]+:\/\/)?[^,]*@/gi, '$1***@');
}
