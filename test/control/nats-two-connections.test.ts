/** The control port of an agent: what everybody may send comes by a connection of its own. */
import { describe, expect, test } from 'vitest';
import { connectNats } from '../../src/control/nats-control.js';
import { connectAgentNats } from '../../src/control/nats-two-connections.js';
import { subjects } from '../../src/protocol/subjects.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';
import { describeControl } from './control-contract.js';

const FLOOD = 100_000;
const EPOCH = '0'.repeat(16);

describe.skipIf(natsServerMissing)(`with a real nats-server ${natsServerMissing ?? ''}`, () => {
  describeControl('NATS of an agent', {
    outages: true,
    open: async () => {
      const server = await TestNatsServer.start();
      return {
        connect: (name) => connectAgentNats({ servers: server.url, name }),
        beginOutage: () => server.interrupt(),
        endOutage: () => server.restore(),
        close: () => server[Symbol.asyncDispose](),
      };
    },
  });

  test('P28: a flood at the name of an agent → a question of another agent overtakes it', async () => {
    await using server = await TestNatsServer.start();
    const agent = await connectAgentNats({ servers: server.url, name: 'flooded' });
    const [stranger, peer] = [
      await connectNats({ servers: server.url, name: 'stranger' }),
      await connectNats({ servers: server.url, name: 'peer' }),
    ];
    let handled = 0;
    agent.subscribe(subjects.operations('decode-0'), () => {
      handled += 1;
    });
    agent.subscribe(subjects.peers('decode-0', EPOCH), (message) => message.respond(`${handled}`));
    await agent.flush();

    for (let number = 0; number < FLOOD; number += 1) stranger.publish(subjects.operation('decode-0', 'acquire'), '{}');
    await stranger.flush();
    const overtaken = await peer.request(subjects.peer('decode-0', EPOCH, 'ping'), '', { timeoutMs: 30_000 });
    expect(Number(overtaken)).toBeLessThan(FLOOD);
    await Promise.all([agent, stranger, peer].map((control) => control.close()));
  });
});
