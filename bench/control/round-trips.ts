/** Bare round trips over the same NATS server, to a process that only answers. */
import { fileURLToPath } from 'node:url';
import type { ControlPort } from '../../src/ports/control.js';
import { startChild } from '../../src/processes/child-process.js';
import { patient } from '../../src/processes/patience.js';
import type { Teardown } from '../../src/processes/teardown.js';
import { ask } from '../harness/ask.js';
import type { Cluster } from '../harness/cluster.js';
import { repeat } from '../harness/repeat.js';
import type { RoundTripSizes } from './message-sizes.js';

const PROGRAM = fileURLToPath(new URL('round-trip-process.js', import.meta.url));
const TIMEOUT_MS = 10_000;

/** Starts the process that answers. */
export async function startEcho({ natsUrl }: Cluster, logDirectory: string, teardown: Teardown): Promise<void> {
  const program = startChild(
    {
      name: 'echo',
      command: process.execPath,
      args: [PROGRAM],
      env: { ...process.env, BENCH_NATS_URL: natsUrl },
      logPath: `${logDirectory}/echo.log`,
      channel: true,
    },
    teardown,
  );
  await ask(program, {}, TIMEOUT_MS);
}

/** Milliseconds of each repetition, which makes all these round trips one after the other. */
export function measureRoundTrips(
  control: ControlPort,
  sizes: readonly RoundTripSizes[],
  { atOnce, durationMs }: { readonly atOnce: number; readonly durationMs: number },
): Promise<{ readonly timesMs: readonly number[]; readonly seconds: number }> {
  const questions = sizes.map(({ requestBytes, replyBytes }) => ({
    subject: `bench.echo.${replyBytes}`,
    body: ' '.repeat(requestBytes),
  }));
  return repeat({ atOnce, durationMs }, async () => {
    const startMs = performance.now();
    for (const { subject, body } of questions) await control.request(subject, body, { timeoutMs: patient(TIMEOUT_MS) });
    return performance.now() - startMs;
  });
}
