/** The settings about tenants: which of them share chunks, and what each may have (docs/decisions/033-tenants.md). */
import { z } from 'zod';
import type { AgentOptions } from '../actors/env/agent-options.js';
import { tenantName } from '../protocol/fields.js';
import { count, size } from './field-kinds.js';

type TenantOptions = Pick<
  AgentOptions,
  'tenantShares' | 'tenantRequestsMax' | 'tenantPagesMax' | 'tenantSegmentsMax' | 'tenantBytesPerSecond'
>;

export const tenantFields = {
  tenantShares: {
    schema: z.string().transform(parseShares),
    fallback: '',
    explanation:
      'Tenants that read and fill the key space of another tenant: team-b=team-a. All others have one of their own (decode, both).',
    range: 'pairs tenant=tenant, separated by commas; empty: no tenant shares',
    show: (shares: TenantOptions['tenantShares']) =>
      Object.entries(shares)
        .map((pair) => pair.join('='))
        .join(','),
  },
  tenantRequestsMax: count(
    0,
    100_000,
    0,
    'Most requests of one tenant in progress at once, on each side, and most readers without a request; 0: no limit.',
  ),
  tenantPagesMax: count(
    0,
    1_048_576,
    0,
    'Most chunks of the requests of one tenant. On the sending side: of those in progress. On the receiving side: of those that arrive or are ready, and those that its readers lease; each may need a page. 0: no limit.',
  ),
  tenantSegmentsMax: count(0, 4096, 0, 'Most source segments of one tenant; 0: no limit (prefill, both).'),
  tenantBytesPerSecond: size(
    0,
    2 ** 40,
    '0',
    'Bytes that the puts of one tenant may name in a second, on average; 0: no limit (prefill, both).',
  ),
};

export function tenantOptions(config: TenantOptions): TenantOptions {
  const { tenantShares, tenantRequestsMax, tenantPagesMax, tenantSegmentsMax, tenantBytesPerSecond } = config;
  return { tenantShares, tenantRequestsMax, tenantPagesMax, tenantSegmentsMax, tenantBytesPerSecond };
}

/** A tenant that shares with one that shares itself would have to follow it: that is refused. */
function parseShares(value: string, context: z.RefinementCtx): TenantOptions['tenantShares'] {
  const pairs = value === '' ? [] : value.split(',').map((pair) => pair.trim().split('='));
  const tenants = pairs.map(([tenant]) => tenant);
  const isRight = pairs.every(
    (pair) =>
      pair.length === 2 && pair.every((name) => tenantName.safeParse(name).success) && !tenants.includes(pair[1]),
  );
  if (isRight && new Set(tenants).size === tenants.length) return Object.fromEntries(pairs);
  context.addIssue({ code: 'custom', message: 'not a list of tenants that share' });
  return z.NEVER;
}
