import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { connectNats } from '../../src/control/nats-control.js';
import { poll } from '../../src/processes/within.js';
import { natsServerMissing, TestNatsServer } from '../support/nats-server.js';

const MESSAGES = 20_000;
const TIMEOUT_MS = 30_000;

/** Publishes at once, and ends when the server has everything. Meanwhile this process reads nothing: all of it waits in the socket. */
function publishMany(server: TestNatsServer, subject: string): void {
  const { hostname, port } = new URL(server.url);
  const program = `
    const socket = require('node:net').connect(${port}, '${hostname}', () => {
      socket.write('CONNECT {"verbose":false}\\r\\n' + 'PUB ${subject} 2\\r\\n{}\\r\\n'.repeat(${MESSAGES}) + 'PING\\r\\n');
    });
    socket.on('data', (data) => { if (String(data).includes('PONG')) process.exit(0); });`;
  const { status, stderr } = spawnSync(process.execPath, ['-e', program], { timeout: TIMEOUT_MS });
  if (status !== 0) throw new Error(`nothing was published: ${stderr}`);
}

describe.skipIf(natsServerMissing)(`with a real nats-server ${natsServerMissing ?? ''}`, () => {
  test('P28: a flood of small messages → a turn delivers few of them, and none is lost', async () => {
    await using server = await TestNatsServer.start();
    const control = await connectNats({ servers: server.url, name: 'test' });
    let [delivered, inTurn, mostInTurn] = [0, 0, 0];
    control.subscribe('t.flood', () => {
      if (inTurn === 0) {
        setImmediate(() => {
          mostInTurn = Math.max(mostInTurn, inTurn);
          inTurn = 0;
        });
      }
      inTurn += 1;
      delivered += 1;
    });
    await control.flush();
    publishMany(server, 't.flood');
    await poll(TIMEOUT_MS, async () => (delivered === MESSAGES ? true : undefined));
    // Those of a turn and of the next one are counted together.
    expect([delivered, mostInTurn <= 128]).toEqual([MESSAGES, true]);
    await control.close();
  });
});
