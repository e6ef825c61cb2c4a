/** `kvferry explain` against real agents. */
import { describe, expect, test } from 'vitest';
import { runProgram } from '../../src/cli/program.js';
import { patient } from '../../src/processes/patience.js';
import { RecordedTerminal } from '../support/recorded-terminal.js';
import { missing, RealCluster } from './support.js';

const TEST_TIMEOUT_MS = patient(180_000);
/** Pages of the arena of `RealCluster`'s agents. */
const ARENA_PAGES = 16;
const HELD = Array.from({ length: ARENA_PAGES - 2 }, (_, index) => `held-${index}`);
const WANTED = ['wanted-0', 'wanted-1', 'wanted-2'];

describe.skipIf(missing !== undefined)(
  `kvferry explain${missing === undefined ? '' : ` (skipped: ${missing})`}`,
  () => {
    test(
      'a full arena stops a request → explain shows gate, deadline, holder, history',
      async () => {
        await using cluster = await RealCluster.start();
        await Promise.all([cluster.agent('decode-0', 'decode'), cluster.agent('prefill-0', 'prefill')]);
        await cluster.segment('prefill-0', [...HELD, ...WANTED]);
        const { epoch } = await cluster.put('prefill-0', 'holder', HELD);
        await cluster.ended('holder');
        await cluster.put('prefill-0', 'stuck', WANTED, { timeoutMs: 60_000 });
        const explain = async (...args: string[]) => {
          const terminal = new RecordedTerminal({ KVFERRY_NATS_URL: cluster.url });
          await runProgram(['explain', ...args], terminal);
          return { exitCode: terminal.exitCode, stdout: terminal.stdout.join('\n') };
        };
        let text = '';
        // The request waits for something else until it is in the admission queue.
        while (!text.includes('gate: admission')) text = (await explain('request', 'stuck')).stdout;
        const [, ...lines] = text.slice(text.indexOf(`request ${epoch}/stuck at decode-0`)).split('\n');
        expect(lines[0]).toMatch(
          /It waits for 3 pages of the arena: 2 of 16 are available, and it is first in the queue\. It times out in [45]\d\.\d s\.$/,
        );
        expect(lines[1]).toBe('  gate: admission');
        expect(lines[2]).toMatch(/^ {2}deadline: in [45]\d\.\d{3} s$/);
        expect(lines[3]).toBe('  holders (1 of 1):');
        expect(lines[5]).toMatch(
          new RegExp(`${epoch}/holder +ready, not released: 14 chunks leased +14 +\\d+\\.\\d{3} s$`),
        );
        expect(text).toContain('queued 3 chunks: wanted-0, wanted-1, wanted-2 (needs 3 pages; 2 are available)');
        await cluster.client.release('decode-0', { request: 'holder', epoch });
        expect(await cluster.ended('stuck')).toMatchObject({ end: 'ready' });
        expect((await explain('key', 'wanted-1')).stdout).toMatch(
          /Key wanted-1 \(\d+ bytes, page \d+\) is ready, written by/,
        );
      },
      TEST_TIMEOUT_MS,
    );
  },
);
