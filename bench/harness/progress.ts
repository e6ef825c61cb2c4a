/** Progress of the suites: a bar on a terminal, otherwise a line when a suite begins. */
import cliProgress from 'cli-progress';
import type { Teardown } from '../../src/processes/teardown.js';

export interface Progress {
  /** A suite begins. It has this many steps. */
  begin(suite: string, steps: number): void;
  /** One step is done. `what` is the next one. */
  step(what: string): void;
  end(): void;
}

export function createProgress(say: (line: string) => void, teardown: Teardown): Progress {
  if (!process.stderr.isTTY) {
    return { begin: (suite, steps) => say(`${suite}: ${steps} steps`), step: () => undefined, end: () => undefined };
  }
  const bar = new cliProgress.SingleBar(
    { format: '{suite} {bar} {value}/{total} {what}', stream: process.stderr, clearOnComplete: true },
    cliProgress.Presets.shades_classic,
  );
  teardown.defer(() => bar.stop());
  return {
    begin: (suite, steps) => bar.start(steps, 0, { suite, what: '' }),
    step: (what) => bar.increment({ what }),
    end: () => bar.stop(),
  };
}
