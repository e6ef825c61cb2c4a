/** The demo with faults: an agent is killed and restarted under its name, and the load continues. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { connectClient } from '../../src/client/connect-client.js';
import { patient } from '../../src/processes/patience.js';
import { poll, within } from '../../src/processes/within.js';
import { TestNatsServer } from '../support/nats-server.js';
import { MAIN, missing } from './support.js';

const WAIT_MS = 60_000;
const TEST_TIMEOUT_MS = patient(180_000);

test.skipIf(missing !== undefined)(
  "an agent of the demo is killed → it starts again and moves its engine's chunks",
  async () => {
    await using nats = await TestNatsServer.start();
    const client = await connectClient({ servers: nats.url, name: 'test' });
    const args = ['--allow-faults', '--requests', '100000', '--page-bytes', '64KiB', '--nats', nats.url];
    const demo = spawn(process.execPath, [MAIN, 'demo', ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const lines: string[] = [];
    createInterface({ input: demo.stdout }).on('line', (line) => lines.push(line));
    const exited = once(demo, 'exit');
    try {
      const readyOf = (epoch: string) =>
        new Promise<void>((resolve) => {
          client.onTerminal((event) => {
            if (event.epoch === epoch && event.end === 'ready') resolve();
          });
        });
      const find = (not?: string) =>
        poll(WAIT_MS, async () =>
          (await client.discover()).find(({ agent, epoch }) => agent.endsWith('prefill-1') && epoch !== not),
        );
      const first = await find();
      expect(first).toMatchObject({ faultsAllowed: true });
      const { agent = '', epoch: killed = '' } = first ?? {};
      await within(WAIT_MS, 'nothing was moved', readyOf(killed));
      await client.fault(agent, { fault: 'kill' });
      const successor = await find(killed);
      await within(WAIT_MS, 'nothing was moved by the successor', readyOf(successor?.epoch ?? ''));
      expect(lines).toContain(`agent ${agent} was killed; restarting it`);
    } finally {
      demo.kill('SIGTERM');
      await exited;
      await client.close();
    }
  },
  TEST_TIMEOUT_MS,
);
