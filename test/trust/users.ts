/** Who is in the tested deployment: the users for whom `kvferry keys` makes credentials, and the agents that run. */

export const PREFILL_AGENTS = ['prefill-0', 'prefill-1'] as const;
export const DECODE_AGENTS = ['decode-0', 'decode-1'] as const;
/** Tenants with engines at the first agent of each role. */
export const TENANTS = ['default', 'team-a', 'team-b'] as const;
export type Tenant = (typeof TENANTS)[number];

/** Names with valid credentials of an agent, and no process: the attacker has taken these hosts over. */
export const ROGUE = { prefill: 'prefill-9', decode: 'decode-9' } as const;

/** As `kvferry keys --user` takes them: role:name[:agent][@tenant]. */
export const USERS: readonly string[] = [
  ...[...PREFILL_AGENTS, ROGUE.prefill].map((name) => `prefill-agent:${name}`),
  ...[...DECODE_AGENTS, ROGUE.decode].map((name) => `decode-agent:${name}`),
  ...TENANTS.flatMap((tenant) => [
    ...PREFILL_AGENTS.map((agent) => `prefill-engine:${engineOf(agent, tenant)}:${agent}@${tenant}`),
    ...DECODE_AGENTS.map((agent) => `decode-engine:${engineOf(agent, tenant)}:${agent}@${tenant}`),
    `router:${routerOf(tenant)}@${tenant}`,
  ]),
  'observer:observer',
  'operator:operator',
];

export function isAgent(user: string): boolean {
  return /^(prefill|decode)-\d$/.test(user);
}

export function engineOf(agent: string, tenant: Tenant): string {
  return `engine-${agent}-${tenant}`;
}

export function routerOf(tenant: Tenant): string {
  return `router-${tenant}`;
}
