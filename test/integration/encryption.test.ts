/** Agents that require encryption, beside agents that do not. */
import { expect, test } from 'vitest';
import { missing, providerMissing, RealCluster } from './support.js';

const unavailable = missing ?? providerMissing('tcp') ?? providerMissing('libfabric-tcp');
const REQUIRED = ['--tcp-encryption', 'required'];

interface Sides {
  readonly decode: readonly string[];
  readonly prefill: readonly string[];
}

/** Puts one request and returns its reason, or how it was carried. */
async function outcome({ decode, prefill }: Sides): Promise<string> {
  await using cluster = await RealCluster.start();
  await Promise.all([
    cluster.agent('decode-0', 'decode', 'tcp', { args: [...decode] }),
    cluster.agent('prefill-0', 'prefill', 'tcp', { args: [...prefill] }),
  ]);
  await cluster.segment('prefill-0', ['k0']);
  await cluster.put('prefill-0', 'r1', ['k0']);
  const { end, reason } = await cluster.ended('r1');
  if (end !== 'ready') return `${reason?.code}: ${reason?.message}`;
  const [peer] = (await cluster.client.status('prefill-0')).peers;
  return `${peer?.provider}: ${peer?.detail}`;
}

const provider = (list: string) => ['--provider', list];
const failed = 'connection_failed: cannot connect to agent decode-0: every provider failed: ';

test.skipIf(unavailable !== undefined).each<[string, Sides, string]>([
  [
    'both require it, libfabric-tcp comes first → tcp, encrypted',
    {
      decode: [...provider('libfabric-tcp,tcp'), ...REQUIRED],
      prefill: [...provider('libfabric-tcp,tcp'), ...REQUIRED],
    },
    'tcp: TCP, encrypted',
  ],
  [
    'the receiver requires it, the sender has no tcp → connection_failed with the remedy',
    { decode: [...provider('libfabric-tcp,tcp'), ...REQUIRED], prefill: provider('libfabric-tcp') },
    `${failed}libfabric-tcp: agent decode-0 does not offer it: it cannot encrypt, as --tcp-encryption required demands; use tcp`,
  ],
  [
    'the sender requires it, the receiver does not → connection_failed with the remedy',
    { decode: provider('libfabric-tcp,tcp'), prefill: [...provider('libfabric-tcp,tcp'), ...REQUIRED] },
    `${failed}libfabric-tcp: it cannot encrypt, as --tcp-encryption required demands; use tcp; tcp: the receiver does not encrypt, and this agent requires it: set --tcp-encryption required there`,
  ],
])('encryption between agents: %s', async (_, sides, expected) => {
  expect(await outcome(sides)).toBe(expected);
});
