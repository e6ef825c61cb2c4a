/**
 * Decides which requests the inspector accepts. The inspector shows everything about a cluster and has no password. So by
 * default it listens only for programs on this machine, and refuses requests from other web sites.
 */
import { isIP } from 'node:net';
import { hostname } from 'node:os';

/**
 * True for an allowed Host header. After DNS rebinding, another site's page names its own host. An address cannot be
 * rebound. Of the names, only the configured ones are allowed.
 */
export function isAllowedHost(host: string | undefined, listenHost: string): boolean {
  const name = nameOf(host);
  return name !== undefined && (isIP(name) !== 0 || ['localhost', hostname(), listenHost].includes(name));
}

/** True for a request from the inspector's page, or from no page. */
export function isSameOrigin(origin: string | undefined, host: string | undefined): boolean {
  return origin === undefined || origin === `http://${host}`;
}

/** True as `isSameOrigin`, and for a page served by a program on this machine. */
export function isNearOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (isSameOrigin(origin, host)) return true;
  const name = URL.canParse(origin ?? '') ? new URL(origin ?? '').hostname : '';
  return ['localhost', '127.0.0.1', '[::1]'].includes(name);
}

function nameOf(host: string | undefined): string | undefined {
  if (host === undefined || !URL.canParse(`http://${host}`)) return undefined;
  return new URL(`http://${host}`).hostname.replace(/^\[(.*)\]$/, '$1');
}
