/** Forged messages between agents: an agent that was taken over speaks for another one, in its name and in its own. */
import { KvferryClient } from '../../../src/client/kvferry-client.js';
import { connectNats } from '../../../src/control/nats-control.js';
import { patient } from '../../../src/processes/patience.js';
import { poll } from '../../../src/processes/within.js';
import { type PeerOperation, subjects } from '../../../src/protocol/subjects.js';
import type { Attack, Stage } from '../attack.js';
import { PAGE_BYTES } from '../cluster/cluster.js';
import { engineOf, ROGUE } from '../users.js';
import { connectAs, connectBody, FOREIGN_EPOCH, toVictim } from './own-connection.js';
import { notRefused, type Try } from './tried.js';

const REFUSED_TIMEOUT_MS = 5_000;
const reason = { code: 'internal', message: 'forged' };

/** Bodies of forged messages about the victim, to the decode agent. */
const toDecode: Partial<Record<PeerOperation, (stage: Stage) => object>> = {
  abort: () => ({ totalChunks: 4, end: 'failed', reason }),
  commit: () => ({
    ...{ batch: 0, part: 0, pages: [0, 1], generations: [1, 1] },
    lengths: [{ length: PAGE_BYTES, count: 2 }],
  }),
  drained: () => ({}),
  inquire: () => ({ batches: [0] }),
  allocate: ({ victim }) => ({
    ...{ grant: 'tcp-1', batch: 1, last: true, totalChunks: 4, timeoutMs: 1000, keys: victim.keys.slice(2) },
    lengths: [{ length: PAGE_BYTES, count: 2 }],
  }),
  prepare: () => ({}),
  verdict: () => ({ end: 'failed', reason }),
};

/** And to the prefill agent. */
const toPrefill: Partial<Record<PeerOperation, (stage: Stage) => object>> = {
  ended: () => ({ end: 'failed', reason }),
  confirm: () => ({ receiverEpoch: FOREIGN_EPOCH }),
  handover: () => ({ batch: 0, part: 1, grant: 'tcp-1', positions: [0], pages: [0], generations: [1] }),
  joined: () => ({ batch: 0 }),
  allocated: () => ({
    batch: 0,
    allocation: { grant: 'tcp-1', pages: [0, 1], generations: [1, 1], alreadySent: [], joined: [] },
  }),
};

/** Two attacks for each message: in the name of the agent that may say it, which NATS refuses, and in the attacker's own. */
function forgeries(
  operation: PeerOperation,
  bodyOf: (stage: Stage) => object,
  side: 'prefill' | 'decode',
): readonly Attack[] {
  const speaker = side === 'prefill' ? ROGUE.decode : ROGUE.prefill;
  const forged = (stage: Stage, from: string): Try => {
    const { request, epoch } = stage.victim;
    const addressee = stage.victim[side];
    const subject = subjects.peer(addressee, stage.cluster.epochOf(addressee), from, operation);
    return [subject, { request, epoch, ...bodyOf(stage) }];
  };
  return [
    {
      name: `${operation} about a request of others, in the name of their agent`,
      by: speaker,
      run: (stage) => {
        const honest = side === 'prefill' ? stage.victim.decode : stage.victim.prefill;
        return notRefused(stage.attacker, forged(stage, honest));
      },
    },
    {
      name: `${operation} about a request of others, in its own name`,
      by: speaker,
      run: (stage) => notRefused(stage.attacker, forged(stage, speaker)),
    },
  ];
}

const leaving = { role: 'prefill', heartbeatMs: 300, number: 1, ageMs: 1, draining: false, alone: true, leaving: true };

/** A terminal event about the victim that names these agents. */
function endOf({ victim, cluster }: Stage, receiver: string): object {
  return {
    ...{ v: 2, request: victim.request, epoch: victim.epoch, end: 'ready', sender: victim.prefill, receiver },
    ...{ receiverEpoch: cluster.epochOf(victim.decode), chunks: 4, deduplicated: 0, joined: 0, bytes: 1, ageMs: 1 },
  };
}

const others: readonly Attack[] = [
  {
    name: 'connect under the epoch of another agent, to take its remote key over',
    by: ROGUE.prefill,
    run: ({ attacker, cluster, victim }) => {
      const connect = { ...connectBody(victim.epoch), connection: Number.MAX_SAFE_INTEGER };
      const to = (from: string): Try => [
        subjects.peer(victim.decode, cluster.epochOf(victim.decode), from, 'connect'),
        connect,
      ];
      return notRefused(attacker, to(victim.prefill), to(ROGUE.prefill));
    },
  },
  {
    name: 'abort a request id of others as its own request, so that the decode agent announces an end',
    by: ROGUE.prefill,
    async run(stage) {
      await connectAs(stage, FOREIGN_EPOCH);
      const abort = { request: stage.victim.request, epoch: FOREIGN_EPOCH, totalChunks: 4, end: 'failed', reason };
      const answer = await stage.attacker.ask(toVictim(stage, 'abort'), abort);
      if (answer.kind !== 'accepted') return undefined;
      stage.contained('it is another request, and engines count no end of agents that are not theirs');
      return undefined;
    },
  },
  {
    name: 'ask itself with a subject of another agent as the place of the answer, to be allowed to speak there',
    by: ROGUE.prefill,
    async run({ attacker, cluster, victim: { prefill, decode, request, epoch } }) {
      await attacker.listen(subjects.peers(ROGUE.prefill, FOREIGN_EPOCH));
      const abort = subjects.peer(decode, cluster.epochOf(decode), prefill, 'abort');
      const toItself = subjects.peer(ROGUE.prefill, FOREIGN_EPOCH, ROGUE.prefill, 'ping');
      await attacker.say(toItself, {}, abort);
      await poll(REFUSED_TIMEOUT_MS, async () => (attacker.heard.length > 0 ? true : undefined));
      return notRefused(attacker, [abort, { request, epoch, totalChunks: 4, end: 'failed', reason }]);
    },
  },
  {
    name: 'yield: make another agent give its name up',
    by: ROGUE.prefill,
    run: ({ attacker, cluster, victim }) => {
      const to = (from: string): Try => [
        subjects.peer(victim.prefill, cluster.epochOf(victim.prefill), from, 'yield'),
        { epoch: FOREIGN_EPOCH },
      ];
      return notRefused(attacker, to(victim.prefill), to(ROGUE.prefill));
    },
  },
  {
    name: 'a heartbeat that declares another agent gone, on the subject of that agent',
    by: ROGUE.prefill,
    run: async ({ attacker, victim }) => {
      await attacker.say(subjects.heartbeat(victim.prefill), {
        agent: victim.prefill,
        epoch: victim.epoch,
        ...leaving,
      });
      return undefined;
    },
  },
  {
    name: 'a heartbeat that declares another agent gone, on its own subject',
    by: ROGUE.prefill,
    async run(stage) {
      const { attacker, victim } = stage;
      // The decode agent hears its heartbeats from now on.
      await connectAs(stage, FOREIGN_EPOCH);
      return countedRefusal(stage, victim.decode, () =>
        attacker.say(subjects.heartbeat(ROGUE.prefill), { agent: victim.prefill, epoch: victim.epoch, ...leaving }),
      );
    },
  },
  {
    name: 'a terminal event of a request of others, on the subject of their agent',
    by: ROGUE.decode,
    async run(stage) {
      const { attacker, victim } = stage;
      await attacker.say(
        subjects.terminal(victim.decode, victim.tenant, 'ready'),
        endOf(stage, victim.decode) as never,
      );
      return undefined;
    },
  },
  {
    name: 'a terminal event of a request of others, on its own subject, that names their agent',
    by: ROGUE.decode,
    async run(stage) {
      const { attacker, cluster, victim } = stage;
      const user = engineOf(victim.decode, victim.tenant);
      const dropped: unknown[] = [];
      const client = new KvferryClient(await connectNats({ ...cluster.deployment.credentialsOf(user), name: user }), {
        tenant: victim.tenant,
        onInvalid: (error) => dropped.push(error),
      });
      client.onTerminal(() => undefined);
      await client.flush();
      const subject = subjects.terminal(ROGUE.decode, victim.tenant, 'ready');
      await attacker.say(subject, endOf(stage, victim.decode) as never);
      await poll(REFUSED_TIMEOUT_MS, async () => (dropped.length > 0 ? true : undefined));
      await client.close();
      if (dropped.length === 0) return 'a client did not drop the event';
      stage.contained('clients drop it');
      return undefined;
    },
  },
  {
    name: 'a terminal event of a request of others, on its own subject, that names itself as the receiver',
    by: ROGUE.decode,
    async run(stage) {
      const { attacker, victim, contained } = stage;
      const subject = subjects.terminal(ROGUE.decode, victim.tenant, 'ready');
      await attacker.say(subject, endOf(stage, ROGUE.decode) as never);
      contained('an engine knows the agents of its request, and counts no event of others');
      return undefined;
    },
  },
  {
    name: 'a notice that source memory of another agent is free',
    by: ROGUE.prefill,
    async run({ attacker, victim: { request, epoch, prefill, tenant } }) {
      await attacker.say(subjects.sourceReleased(prefill, tenant), { request, epoch, batch: 0, positions: [0, 1] });
      return undefined;
    },
  },
  {
    name: 'the answer of an agent, sent to a subject on which that agent speaks (heartbeat, abort)',
    by: engineOf('prefill-0', 'default'),
    async run(stage) {
      const { attacker, cluster, victim } = stage;
      const observer = await stage.attackerAs('observer');
      await observer.listen(subjects.heartbeat(victim.prefill));
      const refused = await cluster.counter(victim.decode, 'messages_refused');
      const question = subjects.operation(victim.prefill, victim.tenant, 'describe');
      const abort = subjects.peer(victim.decode, cluster.epochOf(victim.decode), victim.prefill, 'abort');
      for (const reply of [subjects.heartbeat(victim.prefill), abort]) await attacker.say(question, {}, reply);
      // It is answered after the questions before it.
      await attacker.ask(question, {});
      await observer.settled();
      const answer = observer.heard.find((line) => line.includes('"ok":'));
      if (answer !== undefined) return `it was sent: ${answer.slice(0, 200)}`;
      stage.contained('agents answer in inboxes only');
      const counted = await cluster.counter(victim.decode, 'messages_refused');
      return counted === refused ? undefined : `agent ${victim.decode} received it`;
    },
  },
  {
    name: 'a message of protocol version 1, whose subject names no sender',
    by: ROGUE.prefill,
    run: ({ attacker, cluster, victim: { decode, request, epoch } }) =>
      notRefused(attacker, [
        `kvferry.v1.peer.${decode}.${cluster.epochOf(decode)}.abort`,
        { v: 1, request, epoch, totalChunks: 4, end: 'failed', reason },
      ]),
  },
];

/** The agent must count a refused message. */
async function countedRefusal(
  { cluster, contained }: Stage,
  agent: string,
  say: () => Promise<unknown>,
): Promise<string | undefined> {
  const before = await cluster.counter(agent, 'messages_refused');
  await say();
  const counted = await poll(patient(REFUSED_TIMEOUT_MS), async () =>
    (await cluster.counter(agent, 'messages_refused')) > before ? true : undefined,
  );
  if (counted === undefined) return `agent ${agent} has not refused the message`;
  contained(`agent ${agent} refuses it, and counts it`);
  return undefined;
}

export const forge: readonly Attack[] = [
  ...Object.entries(toDecode).flatMap(([name, body]) => forgeries(name as PeerOperation, body, 'decode')),
  ...Object.entries(toPrefill).flatMap(([name, body]) => forgeries(name as PeerOperation, body, 'prefill')),
  ...others,
];
