/** NATS URLs with credentials. The NATS client does not read credentials from URLs. */
import { KvferryError } from '../protocol/errors.js';

export interface NatsAddress {
  /** The URLs without credentials, safe to print. */
  readonly servers: readonly string[];
  /** User and password, or a token, of the first URL that has them. */
  readonly credentials: { readonly user: string; readonly pass: string } | { readonly token: string } | undefined;
}

const SCHEME = /^[a-z][a-z0-9+.-]*:\/\//i;
/** A host name, an IPv4 address or an IPv6 address in brackets; and perhaps a port. */
const PLACE = /^(?:[a-z0-9._-]+|\[[0-9a-f:.%a-z]+\])(?::(\d{1,5}))?\/?$/i;
const PORT_MAX = 65_535;
const DEFAULT_PORT = 4222;

/**
 * Reads `nats://user:password@host:port`, `nats://token@host`, `host:port`, or several of them separated by commas. Throws
 * `invalid_configuration`. Its message shows nothing of the address: any part of it may belong to a password.
 */
export function parseNatsAddress(address: string): NatsAddress {
  const servers: string[] = [];
  let credentials: NatsAddress['credentials'];
  const parts = address.split(',').map((text) => text.trim());
  const hasSchemes = parts.some((part) => SCHEME.test(part));
  for (const part of parts) {
    if (part === '') continue;
    const scheme = SCHEME.exec(part)?.[0] ?? '';
    const rest = part.slice(scheme.length);
    const at = rest.lastIndexOf('@');
    const place = rest.slice(at + 1);
    // A comma in a password makes such a part.
    const isTorn = at >= 0 && scheme === '' && hasSchemes;
    if (isTorn || !isPlace(place)) throw malformed();
    servers.push(`${scheme}${place}`);
    if (at >= 0) credentials ??= parseCredentials(rest.slice(0, at));
  }
  if (servers.length === 0) throw malformed();
  return { servers, credentials };
}

/** Host and port of a server, as the NATS client names it. */
export function placeOf(server: string): string {
  const place = server.replace(SCHEME, '').replace(/\/$/, '');
  return PLACE.exec(place)?.[1] === undefined ? `${place}:${DEFAULT_PORT}` : place;
}

/** For a connection of one's own. */
export function hostAndPortOf(server: string): { readonly host: string; readonly port: number } {
  const place = placeOf(server);
  const colon = place.lastIndexOf(':');
  return { host: place.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(place.slice(colon + 1)) };
}

function isPlace(text: string): boolean {
  const match = PLACE.exec(text);
  return match !== null && Number(match[1] ?? DEFAULT_PORT) <= PORT_MAX;
}

function parseCredentials(text: string): NonNullable<NatsAddress['credentials']> {
  const colon = text.indexOf(':');
  try {
    if (colon < 0) return { token: decodeURIComponent(text) };
    return { user: decodeURIComponent(text.slice(0, colon)), pass: decodeURIComponent(text.slice(colon + 1)) };
  } catch {
    // The error of `decodeURIComponent` is no help, and its cause may show the password.
    throw malformed();
  }
}

function malformed(): KvferryError {
  return new KvferryError(
    'invalid_configuration',
    'the NATS URL is malformed: write nats://user:password@host:port, several with commas between them, and in user and password %2C for a comma, %40 for @, %25 for %',
    { field: 'natsUrl' },
  );
}
