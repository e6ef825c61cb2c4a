/** One tenant against another one, at the agents that both share. */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { RequestEnds } from '../../../src/client/request-ends.js';
import { SharedFile } from '../../../src/client/shared-file.js';
import { within } from '../../../src/processes/within.js';
import { type Operation, subjects } from '../../../src/protocol/subjects.js';
import type { Attack, Stage } from '../attack.js';
import { PAGE_BYTES, QUOTA } from '../cluster/cluster.js';
import { engineOf } from '../users.js';
import { notRefused, overheard, type Try } from './tried.js';

const victim = { tenant: 'team-a' } as const;
const PREFILL = 'prefill-0';
const DECODE = 'decode-0';
const sender = engineOf(PREFILL, 'team-b');
const reader = engineOf(DECODE, 'team-b');
const END_TIMEOUT_MS = 20_000;

const own = (agent: string, operation: Operation) => subjects.operation(agent, 'team-b', operation);

/** Puts one chunk of the attacker's own bytes under a key, and resolves with how the request ended. */
async function putOwn({ cluster, victim: { request } }: Stage, key: string) {
  const client = await cluster.engine(PREFILL, 'team-b');
  const path = join(cluster.memory, 'of-team-b');
  if (!existsSync(path)) {
    const file = await SharedFile.create(path, PAGE_BYTES);
    await file.write(0, Buffer.alloc(PAGE_BYTES, 'B'));
    await file.close();
    await client.attach(PREFILL, { segment: 'of-team-b', path });
  }
  const ends = new RequestEnds(client);
  const name = `poison-${createHash('sha256')
    .update(request + key)
    .digest('hex')
    .slice(0, 8)}`;
  const end = ends.expect(name);
  await client.flush();
  const place = { segment: 'of-team-b', offset: 0, length: PAGE_BYTES };
  const plan = { request: name, receiver: DECODE, batch: 0, last: true, totalChunks: 1, timeoutMs: 10_000 };
  await client.put(PREFILL, { ...plan, keys: [key], source: [place] });
  const { event } = await within(END_TIMEOUT_MS, `${name} has no end`, end);
  ends.close();
  const engine = await cluster.engine(DECODE, 'team-b');
  await engine.release(DECODE, { request: name, epoch: event.epoch });
  return event;
}

/** The views of an agent that a tenant may ask for. None of them may contain these texts. */
async function views({ attacker, victim: { request, keys } }: Stage, agent: string): Promise<string | undefined> {
  const hidden = [request, ...keys];
  for (const operation of ['status', 'inspect', 'journal', 'sources'] as const) {
    const answer = await attacker.ask(own(agent, operation), {});
    if (answer.kind !== 'accepted') continue;
    const text = JSON.stringify(answer.body);
    const seen = hidden.find((name) => text.includes(name));
    if (seen !== undefined) return `${operation} of ${agent} shows ${seen}`;
  }
  return undefined;
}

const named: readonly Attack[] = [
  {
    name: 'cancel a request of another tenant, at both agents',
    by: sender,
    run: ({ attacker, victim: { request } }) => {
      const cancels = [request, `team-a ${request}`].map((name): Try => [own(PREFILL, 'cancel'), { request: name }]);
      return notRefused(attacker, ...cancels, [subjects.operation(PREFILL, 'team-a', 'cancel'), { request }]);
    },
  },
  {
    name: 'cancel a request of another tenant at its decode agent',
    by: reader,
    run: ({ attacker, victim: { request } }) => {
      const cancels = [request, `team-a ${request}`].map((name): Try => [own(DECODE, 'cancel'), { request: name }]);
      return notRefused(attacker, ...cancels, [subjects.operation(DECODE, 'team-a', 'cancel'), { request }]);
    },
  },
  {
    name: 'acquire the chunks of a request of another tenant',
    by: reader,
    run: ({ attacker, victim: { request, epoch } }) =>
      notRefused(
        attacker,
        [own(DECODE, 'acquire'), { request, epoch }],
        [own(DECODE, 'acquire'), { request: `team-a ${request}`, epoch }],
        [subjects.operation(DECODE, 'team-a', 'acquire'), { request, epoch }],
      ),
  },
  {
    name: 'release the leases of another tenant',
    by: reader,
    run: ({ attacker, victim: { request, epoch } }) =>
      notRefused(
        attacker,
        [own(DECODE, 'release'), { request: `team-a ${request}`, epoch }],
        [subjects.operation(DECODE, 'team-a', 'release'), { request, epoch }],
      ),
  },
  {
    name: 'put chunks out of a segment of another tenant',
    by: sender,
    run: ({ attacker, victim: { segment } }) => {
      const plan = { request: 'stolen', receiver: DECODE, batch: 0, last: true, totalChunks: 1, timeoutMs: 2000 };
      const puts = [segment, `team-a ${segment}`].map(
        (name): Try => [
          own(PREFILL, 'put'),
          { ...plan, keys: ['stolen'], source: [{ segment: name, offset: 0, length: PAGE_BYTES }] },
        ],
      );
      return notRefused(attacker, ...puts);
    },
  },
  {
    name: 'detach a segment of another tenant',
    by: sender,
    run: ({ attacker, victim: { segment } }) =>
      notRefused(
        attacker,
        [own(PREFILL, 'detach'), { segment }],
        [own(PREFILL, 'detach'), { segment: `team-a ${segment}` }],
        [subjects.operation(PREFILL, 'team-a', 'detach'), { segment }],
      ),
  },
  {
    name: 'name the receiver of an offer of another tenant',
    by: sender,
    async run({ attacker, cluster, victim: { segment, request } }) {
      const honest = await cluster.engine(PREFILL, 'team-a');
      const offer = `${request}-offer`;
      const plan = { request: offer, batch: 0, last: true, totalChunks: 1, timeoutMs: 20_000, keys: [offer] };
      await honest.put(PREFILL, { ...plan, source: [{ segment, offset: 0, length: PAGE_BYTES }] });
      const effect = await notRefused(
        attacker,
        [own(PREFILL, 'route'), { request: offer, receiver: DECODE }],
        [subjects.operation(PREFILL, 'team-a', 'route'), { request: offer, receiver: 'decode-1' }],
      );
      await honest.cancel(PREFILL, { request: offer });
      return effect;
    },
  },
  {
    name: 'end the session of an engine of another tenant',
    by: sender,
    async run({ attacker, cluster, victim: { request } }) {
      const honest = await cluster.engine(PREFILL, 'team-a');
      const session = createHash('sha256').update(request).digest('hex').slice(0, 16);
      await honest.open(PREFILL, { session, holder: 'honest', silentMs: 20_000 });
      const effect = await notRefused(
        attacker,
        [own(PREFILL, 'renew'), { session }],
        [subjects.operation(PREFILL, 'team-a', 'end'), { session }],
      );
      await attacker.ask(own(PREFILL, 'end'), { session });
      const { sessions } = await honest.status(PREFILL, { lists: ['sessions'] }, { tenant: 'team-a' });
      const isOpen = sessions.some((row) => row.session === session && row.state === 'open');
      await honest.end(PREFILL, { session });
      return effect ?? (isOpen ? undefined : 'the session has ended');
    },
  },
];

const memory: readonly Attack[] = [
  {
    name: 'put, give back and borrow the staging pages that another tenant fills',
    by: sender,
    async run({ attacker, cluster }) {
      const honest = await cluster.engine(PREFILL, 'team-a');
      const lent = await honest.stage(PREFILL, { holder: 'honest', pages: 2 });
      const plan = { request: 'staged', receiver: DECODE, batch: 0, last: true, totalChunks: 1, timeoutMs: 2000 };
      const source = [{ segment: lent.segment, offset: lent.offsets[0], length: 100 }];
      const effect = await notRefused(
        attacker,
        [own(PREFILL, 'put'), { ...plan, keys: ['staged'], source }],
        [own(PREFILL, 'unstage'), { holder: 'honest', offsets: lent.offsets }],
        [own(PREFILL, 'unstage'), { holder: 'team-a honest', offsets: lent.offsets }],
      );
      await attacker.ask(own(PREFILL, 'unstage'), { holder: 'honest' });
      const back = await honest.unstage(PREFILL, { holder: 'honest', offsets: [...lent.offsets] });
      return effect ?? (back.returned === 2 ? undefined : `only ${back.returned} of 2 pages were still lent`);
    },
  },
  {
    name: 'fill a key of another tenant with other bytes',
    by: sender,
    async run(stage) {
      for (const key of stage.victim.keys.slice(2)) {
        const { end, deduplicated } = await putOwn(stage, key);
        if (end !== 'ready' || deduplicated !== 0) return `the request ended ${end}, deduplicated ${deduplicated}`;
      }
      // The honest request puts the same keys after this, and every byte of it is compared.
      stage.contained('the chunks are in a key space of the attacker');
      return undefined;
    },
  },
  {
    name: 'find out by deduplication whether another tenant has a prompt',
    by: sender,
    async run(stage) {
      const { end, deduplicated, joined } = await putOwn(stage, stage.victim.keys[0] as string);
      stage.contained('nothing is deduplicated');
      return end === 'ready' && deduplicated + joined === 0
        ? undefined
        : `deduplicated ${deduplicated}, joined ${joined}`;
    },
  },
  {
    name: 'find out by acquire and lookup whether another tenant has a prompt',
    by: reader,
    async run({ attacker, victim: { keys }, contained }) {
      const answer = await attacker.ask(own(DECODE, 'acquire'), {
        request: 'oracle',
        epoch: 'a'.repeat(16),
        keys: [...keys],
      });
      const looked = await attacker.ask(own(DECODE, 'lookup'), { keys: [...keys] });
      const found = answer.kind === 'accepted' ? (answer.body['keys'] as string[]) : [];
      const held = looked.kind === 'accepted' ? Number(looked.body['held']) + Number(looked.body['expected']) : 0;
      contained('no key is found');
      return found.length + held === 0 ? undefined : `${found.length} keys are found, ${held} are held`;
    },
  },
  {
    name: 'take more than its quota: segments, requests, pages',
    by: sender,
    async run(stage) {
      const { attacker, cluster } = stage;
      await putOwn(stage, 'quota');
      const path = join(cluster.memory, 'of-team-b');
      const attach = async (index: number) => attacker.ask(own(PREFILL, 'attach'), { segment: `many-${index}`, path });
      const attached = await Promise.all(Array.from({ length: QUOTA.segments + 4 }, (_, index) => attach(index)));
      const plan = { receiver: DECODE, batch: 0, last: false, totalChunks: 60, timeoutMs: 1500 };
      const source = [{ segment: 'of-team-b', offset: 0, length: 16, count: 3, stride: 16 }];
      const put = (index: number) => {
        const keys = [0, 1, 2].map((chunk) => `many-${index}@${chunk}`);
        return attacker.ask(own(PREFILL, 'put'), { ...plan, request: `many-${index}`, keys, source });
      };
      const puts = await Promise.all(Array.from({ length: QUOTA.requests + 8 }, (_, index) => put(index)));
      const refused = (answers: typeof puts) =>
        answers.some((one) => one.kind === 'refused' && one.by === 'quota_exceeded');
      for (let index = 0; index < QUOTA.segments + 4; index += 1) {
        await attacker.ask(own(PREFILL, 'detach'), { segment: `many-${index}` });
      }
      for (let index = 0; index < puts.length; index += 1) {
        await attacker.ask(own(PREFILL, 'cancel'), { request: `many-${index}` });
      }
      if (!refused(attached)) return 'more segments than the quota were attached';
      return refused(puts) ? undefined : 'more requests than the quota were accepted';
    },
  },
];

const views_: readonly Attack[] = [
  {
    name: 'hear the ends and source notices of another tenant',
    by: sender,
    run: (stage) =>
      overheard(
        stage.attacker,
        ['kvferry.v2.event.>', subjects.terminalsOf('team-a'), subjects.sourceReleased(PREFILL, 'team-a')],
        async () => undefined,
      ),
  },
  {
    name: 'see requests and keys of another tenant at the prefill agent: status, inspect, journal, sources',
    by: sender,
    async run(stage) {
      const seen = await views(stage, PREFILL);
      stage.contained('a tenant sees its own rows');
      return seen;
    },
  },
  {
    name: 'see requests and keys of another tenant at the decode agent: status, inspect, journal',
    by: reader,
    async run(stage) {
      const seen = await views(stage, DECODE);
      stage.contained('a tenant sees its own rows');
      return seen;
    },
  },
  {
    name: 'have a key or a request of another tenant explained',
    by: reader,
    async run({ attacker, victim: { request, keys }, contained }) {
      contained('nothing is explained');
      for (const what of [{ request }, { key: keys[0] }, { page: 0 }]) {
        const answer = await attacker.ask(own(DECODE, 'explain'), what);
        const text = answer.kind === 'accepted' ? JSON.stringify(answer.body) : '';
        if (text.includes(`"holders":[{`) || text.includes('team-a')) return `it was explained: ${text.slice(0, 300)}`;
      }
      return undefined;
    },
  },
];

export const tenants: readonly Attack[] = [...named, ...memory, ...views_].map((attack) => ({ ...attack, victim }));
