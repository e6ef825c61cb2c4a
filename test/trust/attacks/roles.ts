/** Acts beyond a role: observers that order, engines of the other side, operators that move chunks. */

import type { Operation } from '../../../src/protocol/subjects.js';
import { subjects } from '../../../src/protocol/subjects.js';
import type { Attack } from '../attack.js';
import type { Victim } from '../honest/victim.js';
import { engineOf, routerOf } from '../users.js';
import { notRefused, type Try } from './tried.js';

/** Orders about the victim that would all be executed if they were allowed. */
const orders = {
  put: ({ request, keys, segment, decode }) => ({
    ...{ request: `${request}-more`, receiver: decode, batch: 0, last: true, totalChunks: 1, timeoutMs: 2000 },
    ...{ keys: keys.slice(0, 1), source: [{ segment, offset: 0, length: 1 }] },
  }),
  cancel: ({ request }) => ({ request }),
  attach: ({ segmentPath }) => ({ segment: 'of-the-attacker', path: segmentPath }),
  detach: ({ segment }) => ({ segment }),
  stage: () => ({ holder: 'attacker', pages: 1 }),
  route: ({ request, decode }) => ({ request, receiver: decode }),
  acquire: ({ request, epoch, keys }) => ({ request, epoch, keys: [...keys] }),
  release: ({ request, epoch }) => ({ request, epoch }),
} satisfies Partial<Record<Operation, (victim: Victim) => Record<string, unknown>>>;

const SENDING = ['put', 'cancel', 'attach', 'detach', 'stage', 'route'] as const;
const RECEIVING = ['acquire', 'release', 'cancel'] as const;

function ordersOf(victim: Victim, tenant: string, names: readonly (keyof typeof orders)[], agent: string): Try[] {
  return names.map((name) => [subjects.operation(agent, tenant, name), orders[name](victim)]);
}

/** `by` may do none of these, for its own tenant or for all. */
function beyond(
  by: string,
  sending: readonly (typeof SENDING)[number][],
  receiving: readonly (typeof RECEIVING)[number][],
): Attack {
  return {
    name: `order what its role must not: ${[...new Set([...sending, ...receiving])].join(', ')}`,
    by,
    run: ({ attacker, victim }) =>
      notRefused(
        attacker,
        ...ordersOf(victim, victim.tenant, sending, victim.prefill),
        ...ordersOf(victim, victim.tenant, receiving, victim.decode),
      ),
  };
}

export const roles: readonly Attack[] = [
  beyond('observer', SENDING, RECEIVING),
  beyond(routerOf('default'), ['put', 'attach', 'detach', 'stage'], ['acquire', 'release']),
  beyond(engineOf('prefill-0', 'default'), [], ['acquire', 'release']),
  beyond(engineOf('decode-0', 'default'), ['put', 'attach', 'detach', 'stage'], []),
  beyond('operator', ['put', 'attach', 'detach', 'stage', 'route'], ['acquire', 'release']),
  {
    name: 'cancel requests of all tenants, or look at them, as an operator',
    by: engineOf('prefill-0', 'default'),
    run: ({ attacker, victim: { prefill, request } }) =>
      notRefused(
        attacker,
        [subjects.operation(prefill, '_all', 'cancel'), { request }],
        ...(['status', 'inspect', 'journal'] as const).map(
          (name): Try => [subjects.operation(prefill, '_all', name), {}],
        ),
      ),
  },
  {
    name: 'cancel requests of all tenants',
    by: 'observer',
    run: ({ attacker, victim: { prefill, decode, request } }) =>
      notRefused(
        attacker,
        [subjects.operation(prefill, '_all', 'cancel'), { request }],
        [subjects.operation(decode, '_all', 'cancel'), { request }],
      ),
  },
  {
    name: 'move chunks for all tenants at once',
    by: 'operator',
    run: ({ attacker, victim }) =>
      notRefused(
        attacker,
        ...ordersOf(victim, '_all', ['put', 'attach', 'detach'], victim.prefill),
        ...ordersOf(victim, '_all', ['acquire', 'release'], victim.decode),
      ),
  },
  {
    name: 'order an agent beside which it does not run',
    by: engineOf('prefill-1', 'default'),
    run: ({ attacker, victim }) => notRefused(attacker, ...ordersOf(victim, victim.tenant, SENDING, victim.prefill)),
  },
  {
    name: 'read pages of an agent beside which it does not run',
    by: engineOf('decode-1', 'default'),
    run: ({ attacker, victim }) =>
      notRefused(attacker, ...ordersOf(victim, victim.tenant, ['acquire', 'release'], victim.decode)),
  },
  {
    name: 'kill an agent by a fault that no agent of the deployment allows',
    by: 'operator',
    run: ({ attacker, victim: { prefill, decode } }) =>
      notRefused(attacker, [subjects.fault(prefill), { fault: 'kill' }], [subjects.fault(decode), { fault: 'kill' }]),
  },
  {
    name: 'kill an agent by a fault',
    by: 'observer',
    run: ({ attacker, victim: { decode } }) => notRefused(attacker, [subjects.fault(decode), { fault: 'kill' }]),
  },
];
