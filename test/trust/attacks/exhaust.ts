/** Messages that cost an agent more than they cost the attacker: time, memory, descriptors, log. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { isUnanswered } from '../../../src/client/repeated.js';
import { SharedFile } from '../../../src/client/shared-file.js';
import { poll } from '../../../src/processes/within.js';
import { type Operation, subjects } from '../../../src/protocol/subjects.js';
import type { Attack, Stage } from '../attack.js';
import { QUOTA } from '../cluster/cluster.js';
import { engineOf, ROGUE, routerOf } from '../users.js';
import { connectAs, connectBody, FOREIGN_EPOCH, toVictim } from './own-connection.js';
import { notRefused } from './tried.js';

const MIB = 1024 ** 2;
/** Longer than an agent answers on a loaded machine, shorter than the expansion of one such message took. */
const ANSWER_MS_MAX = 2_000;
const GROWTH_MIB_MAX = 50;
const REASON_BYTES = 900_000;
const ABORTS = 250;
/** Large bodies that were read and wait to be collected take more than 50 MiB. All reasons together have 214 MiB. */
const REASONS_GROWTH_MIB_MAX = 120;
const GHOSTS = 12;
const FLOOD = 20_000;
/** Each of four agents receives it. */
const FLOOD_OF_ALL = FLOOD / 4;
const MS_PER_SECOND = 1_000;
const END_TIMEOUT_MS = 10_000;
const SPARSE_BYTES = 512 * MIB;
const BLOCK_BYTES = 512;

const sender = engineOf('prefill-0', 'default');
const reader = engineOf('decode-0', 'default');

function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB$/m.exec(status)?.[1]) / 1024;
}

/** How long an agent takes to answer a short question. Infinite: it does not. */
async function answerMs({ cluster }: Stage, agent: string): Promise<number> {
  const startMs = performance.now();
  try {
    await cluster.status(agent);
  } catch (error) {
    if (isUnanswered(error)) return Number.POSITIVE_INFINITY;
    throw error;
  }
  return performance.now() - startMs;
}

/** Runs `work`; the agent must then answer soon, and must not have grown. */
async function cheap(
  stage: Stage,
  agent: string,
  work: () => Promise<string | undefined>,
  growthMiBMax = GROWTH_MIB_MAX,
): Promise<string | undefined> {
  const pid = stage.cluster.pidOf(agent);
  const before = residentMiB(pid);
  const effect = await work();
  const tookMs = await answerMs(stage, agent);
  const grownMiB = residentMiB(pid) - before;
  if (tookMs > ANSWER_MS_MAX) return `agent ${agent} answered after ${(tookMs / MS_PER_SECOND).toFixed(1)} s`;
  return grownMiB > growthMiBMax ? `agent ${agent} grew by ${grownMiB.toFixed(0)} MiB` : effect;
}

const ofAgents: readonly Attack[] = [
  {
    name: 'freeze an agent by run lengths that expand to millions of numbers',
    by: ROGUE.prefill,
    run: (stage) =>
      cheap(stage, stage.victim.decode, () => {
        const lengths = Array.from({ length: 3000 }, () => ({ length: 1, count: 8192 }));
        const commit = { batch: 0, part: 0, pages: [], generations: [], lengths };
        return notRefused(stage.attacker, [
          toVictim(stage, 'commit'),
          { request: 'r', epoch: FOREIGN_EPOCH, ...commit },
        ]);
      }),
  },
  {
    name: 'fill the memory and the log of an agent with reasons of 900 kB',
    by: ROGUE.prefill,
    run: (stage) =>
      cheap(
        stage,
        stage.victim.decode,
        async () => {
          await connectAs(stage, FOREIGN_EPOCH);
          const message = 'x'.repeat(REASON_BYTES);
          const abort = { epoch: FOREIGN_EPOCH, totalChunks: 1, end: 'failed', reason: { code: 'internal', message } };
          let longest = 0;
          for (let count = 0; count < ABORTS; count += 1) {
            const answer = await stage.attacker.ask(toVictim(stage, 'abort'), { request: `long-${count}`, ...abort });
            longest = Math.max(longest, JSON.stringify(answer).length);
          }
          stage.contained('a text is cut before it is kept');
          return longest > REASON_BYTES / 2 ? `the reason came back with ${longest} characters` : undefined;
        },
        REASONS_GROWTH_MIB_MAX,
      ),
  },
  {
    name: 'stay connected for days by a heartbeat interval of 11 days',
    by: ROGUE.prefill,
    run: (stage) =>
      notRefused(stage.attacker, [toVictim(stage, 'connect'), { ...connectBody(FOREIGN_EPOCH), heartbeatMs: 1e9 }]),
  },
  ...[0, 1, 9].map(
    (heartbeatMs): Attack => ({
      name: `keep an agent busy with a heartbeat interval of ${heartbeatMs} ms, after which it looks for a silent peer`,
      by: ROGUE.prefill,
      run: (stage) =>
        notRefused(stage.attacker, [toVictim(stage, 'connect'), { ...connectBody(FOREIGN_EPOCH), heartbeatMs }]),
    }),
  ),
  {
    name: 'use up the remote keys of an agent by connecting under many epochs',
    by: ROGUE.prefill,
    async run(stage) {
      let accepted = 0;
      for (let ghost = 0; ghost < GHOSTS; ghost += 1) {
        const answer = await connectAs(stage, `feed${ghost.toString(16).padStart(12, '0')}`);
        if (answer.kind === 'accepted') accepted += 1;
      }
      return accepted === GHOSTS ? `${accepted} connections were accepted` : undefined;
    },
  },
  {
    name: 'name an unknown operation of 2,000 characters',
    by: ROGUE.prefill,
    run: (stage) => {
      const subject = `${toVictim(stage, 'ping')}${'x'.repeat(2_000)}`;
      return cheap(stage, stage.victim.decode, () => notRefused(stage.attacker, [subject, {}]));
    },
  },
];

/** Resolves when the request is no longer in progress. */
async function ended({ cluster, victim }: Stage, request: string): Promise<void> {
  const engine = await cluster.engine(victim.prefill, 'default');
  await poll(END_TIMEOUT_MS, async () => {
    const { requests } = await engine.status(victim.prefill, { request }, { tenant: 'default' });
    return requests.every((row) => row.end !== undefined) ? true : undefined;
  });
}

/** A body that no schema accepts. */
function odd(name: string, operation: Operation, body: () => string | Uint8Array): Attack {
  return {
    name,
    by: reader,
    run: (stage) =>
      cheap(stage, stage.victim.decode, async () => {
        const subject = subjects.operation(stage.victim.decode, 'default', operation);
        const answer = await stage.attacker.ask(subject, body());
        if (answer.kind === 'refused') return answer.by === 'internal' ? 'an internal error' : undefined;
        return `it was ${answer.kind === 'accepted' ? 'accepted' : 'not answered'}`;
      }),
  };
}

const ofEngines: readonly Attack[] = [
  odd('raise an alarm by a field that is an object with toString', 'status', () =>
    JSON.stringify({ v: 2, request: { length: { toString: 1 } } }),
  ),
  odd('nest 500,000 lists', 'status', () => '['.repeat(500_000) + ']'.repeat(500_000)),
  odd(
    'nest 100,000 objects in a field',
    'status',
    () => `{"v":2,"request":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`,
  ),
  odd('send 60,000 unknown fields', 'status', () =>
    JSON.stringify({ v: 2, ...Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`x${index}`, 1])) }),
  ),
  odd('send bytes that are no UTF-8', 'acquire', () => new Uint8Array(1_000_000).fill(0xff)),
  odd('set the prototype of a message', 'acquire', () => '{"v":2,"__proto__":{"request":"r"}}'),
  odd('acquire 100,000 keys', 'acquire', () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => `k${index}`);
    return JSON.stringify({ v: 2, request: 'r', epoch: FOREIGN_EPOCH, keys });
  }),
  {
    name: 'send a message that is larger than NATS lets through',
    by: reader,
    async run({ attacker, victim: { decode } }) {
      const body = new Uint8Array(attacker.messageBytesMax + 1);
      const attempt = attacker.say(subjects.operation(decode, 'default', 'acquire'), body);
      const error = await attempt.then(
        () => undefined,
        (reason: Error) => reason.message,
      );
      if (error === undefined) return 'it was sent';
      attacker.refusals.push(`connection ${error}`);
      return undefined;
    },
  },
  {
    name: 'flood a decode agent with messages that mean nothing',
    by: reader,
    run: (stage) =>
      cheap(stage, stage.victim.decode, async () => {
        const { attacker, victim } = stage;
        const subject = subjects.operation(victim.decode, 'default', 'acquire');
        for (let count = 0; count < FLOOD; count += 500) {
          await Promise.all(Array.from({ length: 500 }, () => attacker.say(subject, '{}')));
        }
        stage.contained('the agent goes on');
        return undefined;
      }),
  },
  {
    name: 'flood all agents with questions to all that mean nothing',
    by: routerOf('default'),
    run: (stage) =>
      cheap(stage, stage.victim.decode, async () => {
        for (let count = 0; count < FLOOD_OF_ALL; count += 500) {
          await Promise.all(Array.from({ length: 500 }, () => stage.attacker.say(subjects.discover, '{}')));
        }
        stage.contained('the agents go on');
        return undefined;
      }),
  },
  {
    name: 'become more readers of a chunk than its tenant may have',
    by: reader,
    async run({ attacker, victim: { decode, keys } }) {
      const operation = (name: Operation) => subjects.operation(decode, 'default', name);
      const readers = Array.from({ length: QUOTA.requests + 4 }, (_, index) => ({
        request: `reader-${index}`,
        epoch: FOREIGN_EPOCH,
      }));
      let refused = 0;
      for (const one of readers) {
        const answer = await attacker.ask(operation('acquire'), { ...one, keys: keys.slice(0, 1) });
        if (answer.kind === 'refused' && answer.by === 'quota_exceeded') refused += 1;
      }
      for (const one of readers) await attacker.ask(operation('release'), one);
      return refused === 0 ? `${readers.length} readers were accepted` : undefined;
    },
  },
  {
    name: 'attach one file again and again until no descriptor is left',
    by: sender,
    async run({ attacker, victim: { prefill, segmentPath } }) {
      let attached = 0;
      let refused = false;
      while (attached < 200 && !refused) {
        const attach = { segment: `many-${attached}`, path: segmentPath };
        const answer = await attacker.ask(subjects.operation(prefill, 'default', 'attach'), attach);
        refused = answer.kind !== 'accepted';
        if (!refused) attached += 1;
      }
      for (let index = 0; index < attached; index += 1) {
        await attacker.ask(subjects.operation(prefill, 'default', 'detach'), { segment: `many-${index}` });
      }
      return refused ? undefined : `${attached} segments were attached`;
    },
  },
  {
    name: 'let an agent allocate memory for the holes of a sparse file',
    by: sender,
    async run(stage) {
      const { attacker, cluster, victim } = stage;
      const path = join(cluster.memory, 'sparse');
      await (await SharedFile.create(path, SPARSE_BYTES)).close();
      const operation = (name: Operation) => subjects.operation(victim.prefill, 'default', name);
      await attacker.ask(operation('attach'), { segment: 'sparse', path });
      const source = [{ segment: 'sparse', offset: 0, length: 4096, count: 16, stride: 8 * MIB }];
      const keys = Array.from({ length: 16 }, (_, index) => `sparse-${index}`);
      const plan = {
        request: 'sparse',
        receiver: victim.decode,
        batch: 0,
        last: true,
        totalChunks: 16,
        timeoutMs: 3000,
      };
      await attacker.ask(operation('put'), { ...plan, keys, source });
      await ended(stage, 'sparse');
      const allocatedMiB = (statSync(path).blocks * BLOCK_BYTES) / MIB;
      await (await cluster.engine(victim.decode, 'default')).release(victim.decode, {
        request: 'sparse',
        epoch: victim.epoch,
      });
      await attacker.ask(operation('detach'), { segment: 'sparse' });
      stage.contained('only what is read has memory');
      return allocatedMiB > 8 ? `the file has ${allocatedMiB} MiB now` : undefined;
    },
  },
];

export const exhaust: readonly Attack[] = [...ofAgents, ...ofEngines];
