/** P31, T28: a remote key is of use to the process that it was granted to, and for the connection that it was granted for. */
import { expect, test } from 'vitest';
import { MemoryFabricNetwork } from '../../src/proof/simulation/memory-fabric/network.js';
import { secretsOf } from '../../src/proof/simulation/simulated-agent.js';
import { SimulatedClock } from '../../src/proof/simulation/simulated-clock.js';
import { SealingFabric } from '../../src/sealing/sealing-fabric.js';

const about = 'the first connection';
const refused = {
  code: 'connection_failed',
  message: 'the remote key cannot be opened: it was changed on its way, or sealed for another process or connection',
};

async function world() {
  const clock = new SimulatedClock();
  const network = new MemoryFabricNetwork(clock);
  const open = (name: string) => new SealingFabric(network.open(name), secretsOf(name));
  const [receiver, sender, stranger] = [open('receiver'), open('sender'), open('stranger')];
  await receiver.createArena({ path: '/memory/arena', pageBytes: 64, pages: 1 });
  const endpoint = receiver.endpoints()[0];
  if (endpoint === undefined) throw new Error('no endpoint');
  const grant = await receiver.grant('memory', { publicKey: sender.publicKey, about });
  const connect = async (by: SealingFabric, changed: Partial<typeof grant> = {}, said = about) => {
    const connecting = by.connect(endpoint, { ...grant, ...changed }, { timeoutMs: 1000, about: said });
    const ended = connecting.then(
      () => undefined,
      () => undefined,
    );
    await clock.advance(1);
    await ended;
    return connecting;
  };
  return { network, receiver, sender, stranger, grant, connect };
}

test('the process that it was granted to connects', async () => {
  const { sender, connect, grant } = await world();
  expect(await connect(sender)).toMatchObject({ provider: 'memory' });
  expect(grant).toEqual({ id: 'memory-receiver-1', provider: 'memory', arenaBytes: 64, sealed: expect.any(String) });
  expect(Buffer.from(grant.sealed.split('.')[1] ?? '', 'base64url').toString()).not.toContain('token');
});

test('P31, T28: another process has read the answer → it cannot connect with it', async () => {
  const { stranger, receiver, connect } = await world();
  await expect(connect(stranger)).rejects.toMatchObject(refused);
  await expect(connect(receiver)).rejects.toMatchObject(refused);
});

test('T28: the answer was changed, or is that of another connection → refused', async () => {
  const { sender, receiver, grant, connect } = await world();
  const { sealed } = await receiver.grant('memory', { publicKey: sender.publicKey, about });
  for (const changed of [{ id: 'memory-receiver-2' }, { arenaBytes: 128 }, { provider: 'tcp' as const }, { sealed }]) {
    await expect(connect(sender, changed)).rejects.toMatchObject(refused);
  }
  await expect(connect(sender, { sealed: grant.sealed.toUpperCase() })).rejects.toMatchObject(refused);
  await expect(connect(sender, {}, 'the second connection')).rejects.toMatchObject(refused);
});

test('P31: a public key that is none → invalid_field, and nothing was granted', async () => {
  const { receiver, sender } = await world();
  const invalid = { code: 'invalid_field', field: 'publicKey' };
  for (const publicKey of ['A'.repeat(43), '', 'x'.repeat(100)]) {
    await expect(receiver.grant('memory', { publicKey, about })).rejects.toMatchObject(invalid);
  }
  const next = await receiver.grant('memory', { publicKey: sender.publicKey, about });
  expect(next.id).toBe('memory-receiver-2');
});
