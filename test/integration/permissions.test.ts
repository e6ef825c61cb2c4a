/** T28: permissions of NATS hold each program to its own name and tenant, and the agents work under them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, PermissionViolationError } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { poll } from '../../src/processes/within.js';
import { missing, RealCluster } from './support.js';

const K = 'kvferry.v2';
const keys = ['k0', 'k1'];
/** Time for the server to report every refusal. */
const REFUSED_MS = 5000;

interface Rights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** One rule for all agents: the name is the only difference. */
function agentRights(name: string): Rights {
  const own = [`${K}.heartbeat.${name}`, `${K}.event.${name}.>`, `${K}.source.${name}.>`, `${K}.peer.*.*.${name}.*`];
  return {
    publish: [...own, `${K}.agent.*.default.describe`, 'kvferry.v1.agent.*.describe'],
    subscribe: [
      ...[`${K}.agent.${name}.>`, `${K}.peer.${name}.>`, `${K}.fault.${name}`, `kvferry.v1.agent.${name}.*`],
      ...[`${K}.discover`, `${K}.lookup.*`, `${K}.heartbeat.*`, `_INBOX_${name}.>`],
    ],
  };
}

const rights: Record<string, Rights> = {
  'decode-0': agentRights('decode-0'),
  'prefill-0': agentRights('prefill-0'),
  'prefill-9': agentRights('prefill-9'),
  'team-b': {
    publish: [`${K}.agent.*.team-b.>`],
    subscribe: [`${K}.event.*.team-b.>`, `${K}.source.*.team-b`, '_INBOX_team-b.>'],
  },
};

/** `test` is the client of the test, which may do everything. */
function configuration(): string {
  const users = Object.entries(rights).map(([user, { publish, subscribe }]) => {
    const lists = `publish: ${JSON.stringify(publish)}, subscribe: ${JSON.stringify(subscribe)}, allow_responses: true`;
    return `{ user: ${user}, password: pw, permissions: { ${lists} } }`;
  });
  return `authorization { users: [ { user: test, password: pw }, ${users.join(', ')} ] }\nno_auth_user: test\n`;
}

test.skipIf(missing !== undefined)(
  'T28, P31, P32: agents work under permissions that hold each to its own name',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'kvferry-rights-'));
    const path = join(directory, 'nats.conf');
    writeFileSync(path, configuration());
    try {
      await using cluster = await RealCluster.start('-c', path);
      const as = (user: string) => cluster.url.replace('nats://', `nats://${user}:pw@`);
      const agents = [
        await cluster.agent('decode-0', 'decode', 'same-host', { args: ['--nats-url', as('decode-0')] }),
        await cluster.agent('prefill-0', 'prefill', 'same-host', { args: ['--nats-url', as('prefill-0')] }),
      ];
      await cluster.segment('prefill-0', keys);
      await cluster.put('prefill-0', 'r1', keys);
      expect(await cluster.ended('r1')).toMatchObject({ end: 'ready' });
      for (const { log } of agents) expect(log.filter((line) => /permission/i.test(line))).toEqual([]);
      const [decode, prefill] = ['decode-0', 'prefill-0'].map((name) => cluster.epochOf(name));
      const ofAgent = {
        publish: [
          `${K}.peer.decode-0.${decode}.prefill-0.abort`,
          `${K}.peer.prefill-0.${prefill}.decode-0.ended`,
          `${K}.heartbeat.decode-0`,
          `${K}.event.decode-0.default.ready`,
          `${K}.source.prefill-0.default`,
        ],
        subscribe: ['_INBOX.>', '_INBOX_decode-0.>', `${K}.peer.decode-0.>`, `${K}.agent.decode-0.>`, `${K}.event.>`],
      };
      const ofTenant = {
        publish: ['team-a.cancel', 'default.acquire', '_all.status'].map((act) => `${K}.agent.decode-0.${act}`),
        subscribe: [`${K}.event.>`, `${K}.event.*.team-a.*`, '_INBOX_test.>'],
      };
      expect(await refused(cluster.url, 'prefill-9', ofAgent)).toEqual(
        [...ofAgent.publish, ...ofAgent.subscribe].sort(),
      );
      expect(await refused(cluster.url, 'team-b', ofTenant)).toEqual(
        [...ofTenant.publish, ...ofTenant.subscribe].sort(),
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  120_000,
);

/** The subjects that the server refuses to this user. */
async function refused(servers: string, user: string, { publish, subscribe }: Rights): Promise<string[]> {
  const connection = await connect({ servers, user, pass: 'pw' });
  const subjects = new Set<string>();
  void (async () => {
    for await (const change of connection.status()) {
      if (change.type === 'error' && change.error instanceof PermissionViolationError) {
        subjects.add(change.error.subject);
      }
    }
  })();
  for (const subject of publish) connection.publish(subject, '{"v":2}');
  for (const subject of subscribe) connection.subscribe(subject, { callback: () => undefined });
  await connection.flush();
  const count = publish.length + subscribe.length;
  await poll(REFUSED_MS, async () => (subjects.size === count ? true : undefined));
  await connection.close();
  return [...subjects].sort();
}
