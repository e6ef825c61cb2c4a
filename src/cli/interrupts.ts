/** Being told to end by a signal, for commands that have something to put in order first. */
import { KvferryError } from '../protocol/errors.js';
import { EXIT_FAILURE } from './terminal.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Interrupts {
  /** Aborted with `cancelled_by_caller` by the first signal. The second one ends the process at once. */
  readonly signal: AbortSignal;
  /** Signals do again what they do otherwise. */
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
