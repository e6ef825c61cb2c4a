/** Which tenants share their chunks: only those that the deployment names (P32). */
import type { AgentOptions } from './agent-options.js';

/** The key space that a tenant reads and fills: its own, or that of the tenant with which it shares. */
export function keySpaceOf({ tenantShares }: Pick<AgentOptions, 'tenantShares'>, tenant: string): string {
  return Object.hasOwn(tenantShares, tenant) ? (tenantShares[tenant] as string) : tenant;
}
