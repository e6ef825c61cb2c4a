/** Signals to end, for commands that must clean up first. */
import { KvferryError } from '../protocol/errors.js';
import { EXIT_FAILURE } from './terminal.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Interrupts {
  /** The first signal aborts it with `cancelled_by_caller`. The second signal ends the process at once. */
  readonly signal: AbortSignal;
  /** Restores the default effect of the signals. */
  dispose(): void;
}

export function processInterrupts(): Interrupts {
  const controller = new AbortController();
  const end = (name: NodeJS.Signals) => {
    if (controller.signal.aborted) process.exit(EXIT_FAILURE);
    controller.abort(new KvferryError('cancelled_by_caller', `ended by ${name}`));
  };
  for (const name of SIGNALS) process.on(name, end);
  return {
    signal: controller.signal,
    dispose: () => {
      for (const name of SIGNALS) process.off(name, end);
    },
  };
}
