/** Quotas: what one tenant may have at an agent, so that it cannot take everything from the others (P32). */
import { KvferryError } from '../../protocol/errors.js';

/** `count` and `max` of which things a tenant has. `max` 0: the tenant has no limit of its own. */
export interface Quota {
  readonly tenant: string;
  readonly what:
    | 'requests in progress'
    | 'chunks of requests'
    | 'readers'
    | 'chunks of requests and readers'
    | 'segments';
  /** Name of the setting. */
  readonly setting: string;
  readonly max: number;
  /** Including what it asks for now. Called only when there is a limit. */
  count(): number;
}

/** Throws `quota_exceeded`. */
export function checkQuota({ tenant, what, setting, max, count }: Quota, field: string): void {
  if (max === 0) return;
  const wanted = count();
  if (wanted <= max) return;
  const message = `tenant ${tenant} would have ${wanted} ${what}, and ${setting} allows ${max}: wait until some have ended`;
  throw new KvferryError('quota_exceeded', message, { field });
}
