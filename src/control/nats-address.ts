/** NATS URLs with credentials. The NATS client does not read credentials from URLs. */

export interface NatsAddress {
  /** The URLs without credentials, safe to print. */
  readonly servers: readonly string[];
  /** User and password, or a token, of the first URL that has them. */
  readonly credentials: { readonly user: string; readonly pass: string } | { readonly token: string } | undefined;
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;

/** Reads `nats://user:password@host:port`, `nats://token@host`, `host:port`, or several of them separated by commas. */
export function parseNatsAddress(address: string): NatsAddress {
  const servers: string[] = [];
  let credentials: NatsAddress['credentials'];
  for (const part of address.split(',').map((text) => text.trim())) {
    if (part === '') continue;
    const scheme = SCHEME.exec(part)?.[0] ?? '';
    const rest = part.slice(scheme.length);
    const at = rest.lastIndexOf('@');
    servers.push(`${scheme}${rest.slice(at + 1)}`);
    if (at >= 0) credentials ??= parseCredentials(rest.slice(0, at));
  }
  return { servers, credentials };
}

function parseCredentials(text: string): NonNullable<NatsAddress['credentials']> {
  const colon = text.indexOf(':');
  if (colon < 0) return { token: decodeURIComponent(text) };
  return { user: decodeURIComponent(text.slice(0, colon)), pass: decodeURIComponent(text.slice(colon + 1)) };
}
