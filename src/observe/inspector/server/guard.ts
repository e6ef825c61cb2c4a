/**
 * Who may talk to the inspector. It knows everything about a cluster, and asks nobody for a password: so by default it listens
 * where only programs of this machine reach it, and makes sure that no web page which somebody happens to look at talks to it.
 */
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * May a request name this host? A page from elsewhere whose name was made to point here (DNS rebinding) names its own. Addresses
 * cannot be made to point anywhere; of names, those that were chosen here are allowed.
 */
export function isAllowedHost(host: string | undefined, listenHost: string): boolean {
  const name = nameOf(host);
  return name !== undefined && (isIP(name) !== 0 || ['localhost', hostname(), listenHost].includes(name));
}

/** Does it come from the inspector's own page, or from no page at all? */
export function isSameOrigin(origin: string | undefined, host: string | undefined): boolean {
  return origin === undefined || origin === `http://${host}`;
}

/** As `isSameOrigin`, or from a page that a program of this machine serves. */
export function isNearOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (isSameOrigin(origin, host)) return true;
  const name = URL.canParse(origin ?? '') ? new URL(origin ?? '').hostname : '';
  return ['localhost', '127.0.0.1', '[::1]'].includes(name);
}

function nameOf(host: string | undefined): string | undefined {
  if (host === undefined || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/^\[(.*)\]$/, '$1');
}
