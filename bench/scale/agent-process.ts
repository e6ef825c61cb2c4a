/** Measures one agent in a separate process, which answers one question and ends. */
import { freshKeys } from '../harness/keys.js';
import { LoneAgent } from './lone-agent.js';

export interface AgentQuestion {
  /** Numbers of senders. Each is measured on its own agent. */
  readonly senders: readonly number[];
  readonly keysPerBatch: number;
  readonly batches: number;
  readonly rounds: number;
}

export interface AgentAnswer {
  /** Time of a batch, by number of senders and round. */
  readonly batchUs: readonly (readonly number[])[];
}

const PAGES = 4096;
const US_PER_MS = 1000;
/** Batches before the measurement, which compile the code. */
const WARM_UP_ROUNDS = 2;

process.on('message', async ({ senders, keysPerBatch, batches, rounds }: AgentQuestion) => {
  const agents = await Promise.all(senders.map((count) => LoneAgent.start(PAGES, count)));
  const batchUs: number[][] = senders.map(() => []);
  for (let round = -WARM_UP_ROUNDS; round < rounds; round += 1) {
    for (const [index, agent] of agents.entries()) {
      const made = Array.from({ length: batches }, () => freshKeys(keysPerBatch));
      const startMs = performance.now();
      for (const [batch, keys] of made.entries()) await agent.batch(keys, batch % (senders[index] ?? 1));
      if (round >= 0) batchUs[index]?.push(((performance.now() - startMs) * US_PER_MS) / batches);
    }
  }
  process.send?.({ ok: true, answer: { batchUs } satisfies AgentAnswer });
  await Promise.all(agents.map((agent) => agent.stop()));
});
process.once('SIGTERM', () => process.exit());
process.once('disconnect', () => process.exit());
