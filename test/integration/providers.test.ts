/** T26: agents that offer two providers, of which the better one does not work between them. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { asUser, MAIN, missing, PAGE_BYTES, providerMissing, RealCluster } from './support.js';

const keys = ['k0', 'k1', 'k2', 'k3'];
const args = ['--provider', 'same-host,tcp'];
const unavailable = missing ?? providerMissing('same-host') ?? providerMissing('tcp');
/** A user that owns nothing. */
const NOBODY = 65_534;

/** Moves one request, which must be ready, and returns how. */
async function move(cluster: RealCluster): Promise<object | undefined> {
  await cluster.segment('prefill-0', keys);
  const { epoch } = await cluster.put('prefill-0', 'r1', keys);
  expect(await cluster.ended('r1')).toMatchObject({ end: 'ready', chunks: 4, bytes: 4 * PAGE_BYTES });
  const acquired = await cluster.client.acquire('decode-0', { request: 'r1', epoch });
  expect(cluster.wrongPages(acquired)).toEqual([]);
  const { peers } = await cluster.client.status('prefill-0');
  return peers.map(({ provider, fallback }) => ({ provider, fallback }))[0];
}

test.skipIf(unavailable !== undefined)('T26: the first write of a provider fails → the next writes it', async () => {
  await using cluster = await RealCluster.start();
  await Promise.all([
    cluster.agent('decode-0', 'decode', 'same-host', { args }),
    cluster.agent('prefill-0', 'prefill', 'same-host', { args, failpoints: 'write.starting=fail' }),
  ]);
  expect(await move(cluster)).toEqual({
    provider: 'tcp',
    fallback: ['same-host: a write failed: failpoint write.starting'],
  });
});

const noUsers = unavailable ?? whyNoUsers();
const another = 'T26: another user may not look at the socket → the next provider writes';
test.skipIf(noUsers !== undefined)(another, async () => {
  const directory = mkdtempSync('/dev/shm/kvferry-test-');
  onTestFinished(() => rmSync(directory, { recursive: true }));
  chmodSync(directory, 0o700);
  await using cluster = await RealCluster.start();
  const mine = [...args, '--socket-directory', directory];
  const theirs = [...args, '--socket-directory', '/tmp', '--segment-owner', '0'];
  cluster.letOthersRead();
  await Promise.all([
    cluster.agent('decode-0', 'decode', 'same-host', { args: mine }),
    cluster.agent('prefill-0', 'prefill', 'same-host', { args: theirs, uid: NOBODY }),
  ]);
  expect(await move(cluster)).toEqual({
    provider: 'tcp',
    fallback: [expect.stringContaining(`EACCES: permission denied, stat '${join(directory, 'kvferry-')}`)],
  });
});

/** Why no agent can run as another user, or undefined. */
function whyNoUsers(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can run agents as another user';
  const [command = '', ...options] = asUser(NOBODY);
  const { status } = spawnSync(command, [...options, 'test', '-r', MAIN]);
  return status === 0 ? undefined : 'another user cannot read the program';
}
