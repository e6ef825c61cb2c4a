/** Being another agent: under its name, in its place, or by its answers. */

import { connect } from '@nats-io/transport-node';
import { poll } from '../../../src/processes/within.js';
import { agentInboxOf, subjects } from '../../../src/protocol/subjects.js';
import type { Attack } from '../attack.js';
import { optionsOf } from '../attacker.js';
import { engineOf, ROGUE, routerOf } from '../users.js';
import { connectBody, FOREIGN_EPOCH } from './own-connection.js';
import { notRefused, overheard, type Try } from './tried.js';

const START_TIMEOUT_MS = 10_000;
const heartbeat = {
  role: 'decode',
  heartbeatMs: 300,
  number: 1,
  ageMs: 1,
  draining: false,
  alone: true,
  leaving: false,
};

/** Messages that only agents may say, from a program that is none. */
function asAgent(by: string): Attack {
  return {
    name: 'speak as an agent: connect, heartbeat, terminal event, source notice',
    by,
    async run({ attacker, cluster, victim: { prefill, decode, epoch, tenant, request } }) {
      const connectTo = subjects.peer(decode, cluster.epochOf(decode), prefill, 'connect');
      const told = [subjects.heartbeat(decode), subjects.terminal(decode, tenant, 'failed')];
      for (const subject of [...told, subjects.sourceReleased(prefill, tenant)]) {
        await attacker.say(subject, { agent: decode, request, epoch, ...heartbeat });
        if (!attacker.refusals.includes(`permission ${subject}`)) return `${subject} was not refused`;
      }
      return notRefused(attacker, [connectTo, { ...connectBody(epoch), connection: 99 }]);
    },
  };
}

export const impersonate: readonly Attack[] = [
  asAgent('observer'),
  asAgent('operator'),
  asAgent(routerOf('default')),
  asAgent(engineOf('prefill-0', 'default')),
  asAgent(engineOf('decode-0', 'default')),
  {
    name: 'answer the questions that others send to an agent',
    by: ROGUE.decode,
    run: async (stage) => {
      const { cluster, victim, attacker } = stage;
      const places = [`kvferry.v2.agent.${victim.decode}.>`, subjects.operations(victim.decode)];
      const epoch = cluster.epochOf(victim.decode);
      return overheard(attacker, [...places, subjects.peers(victim.decode, epoch)], async () => {
        await (await cluster.router(victim.tenant)).describe(victim.decode, { tenant: victim.tenant });
      });
    },
  },
  {
    name: 'take the questions of an agent over as a member of a queue group',
    by: ROGUE.decode,
    async run({ attacker, cluster, victim }) {
      await attacker.listenIn('thieves', subjects.operations(victim.decode));
      await (await cluster.router(victim.tenant)).describe(victim.decode, { tenant: victim.tenant });
      await attacker.settled();
      return attacker.heard.length === 0 ? undefined : `it received ${attacker.heard[0]}`;
    },
  },
  {
    name: 'run a process under the name of another agent',
    by: ROGUE.decode,
    async run({ attacker, cluster, victim }) {
      const twin = cluster.startAgent(victim.decode, 'decode', ROGUE.decode);
      const how = await poll(START_TIMEOUT_MS, async () =>
        twin.lines.find((line) => /subscription_refused|ermission/.test(line) || line.includes('agent running')),
      );
      const { epoch } = await (await cluster.router(victim.tenant)).describe(victim.decode, { tenant: victim.tenant });
      await twin.kill();
      if (how?.includes('agent running') === true) return 'the process serves the name';
      if (how !== undefined) attacker.refusals.push(`permission ${how.slice(0, 200)}`);
      return epoch === cluster.epochOf(victim.decode) ? undefined : `the name is served by ${epoch}`;
    },
  },
  {
    name: 'receive the answers of another agent, in its inbox',
    by: ROGUE.prefill,
    run: ({ attacker, cluster, victim }) =>
      overheard(attacker, [`${agentInboxOf(victim.prefill)}.>`, `${agentInboxOf(victim.decode)}.*.*`], async () => {
        await (await cluster.engine(victim.prefill, victim.tenant)).status(
          victim.prefill,
          {},
          { tenant: victim.tenant },
        );
      }),
  },
  {
    name: 'ask with the inbox of another agent, so that the answer goes there',
    by: ROGUE.prefill,
    async run(stage) {
      const { attacker, cluster, victim } = stage;
      const options = optionsOf(cluster.deployment.credentialsOf(ROGUE.prefill));
      const connection = await connect({ ...options, inboxPrefix: agentInboxOf(victim.prefill) });
      try {
        await connection.request(subjects.operation(victim.decode, 'default', 'describe'), '{"v":2}', {
          timeout: 1000,
        });
        return 'it received the answer';
      } catch (error) {
        attacker.refusals.push(`connection ${error instanceof Error ? error.message : String(error)}`);
        return undefined;
      } finally {
        await connection.close();
      }
    },
  },
  {
    name: 'describe itself under the name of another agent, so that a request goes to itself',
    by: ROGUE.decode,
    async run(stage) {
      const { attacker, cluster, victim } = stage;
      const honest = await (await cluster.router(victim.tenant)).describe(victim.decode, { tenant: victim.tenant });
      const { ok: _, ...body } = honest;
      await attacker.serve(subjects.operations(ROGUE.decode), () => ({ ...body, epoch: FOREIGN_EPOCH }));
      await attacker.serve(subjects.peers(ROGUE.decode, '*'), () => ({}));
      const engine = await cluster.engine(victim.prefill, victim.tenant);
      const request = `${victim.request}-rerouted`;
      const place = { segment: victim.segment, offset: 0, length: 1, count: 1 };
      const put = { request, receiver: ROGUE.decode, batch: 0, last: true, totalChunks: 1, timeoutMs: 2000 };
      const refused = await engine.put(victim.prefill, { ...put, keys: [request], source: [place] }).then(
        () => undefined,
        (error: Error) => error.message,
      );
      if (attacker.heard.some((line) => line.includes('.connect '))) return 'the sender connected to it';
      stage.contained(refused ?? 'the request waits for the agent of that name, and ends at its deadline');
      return undefined;
    },
  },
  {
    name: 'order agents as an engine does: put, cancel, acquire, attach, fault',
    by: ROGUE.prefill,
    run: ({ attacker, victim: { prefill, decode, tenant, request, epoch } }) => {
      const orders: readonly Try[] = [
        [subjects.operation(prefill, tenant, 'cancel'), { request }],
        [subjects.operation(decode, tenant, 'cancel'), { request }],
        [subjects.operation(decode, tenant, 'acquire'), { request, epoch }],
        [subjects.operation(prefill, tenant, 'attach'), { segment: 's', path: '/dev/shm/x' }],
        [subjects.operation(prefill, '_all', 'status'), {}],
        [subjects.fault(decode), { fault: 'kill' }],
      ];
      return notRefused(attacker, ...orders);
    },
  },
];
