import { expect, test } from 'vitest';
import { processInterrupts } from '../../src/cli/interrupts.js';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const listeners = () => SIGNALS.map((name) => process.listenerCount(name));

test('a signal ends the command in order; later signals act as before it', () => {
  const before = listeners();
  const interrupts = processInterrupts();
  expect(interrupts.signal.aborted).toBe(false);
  process.emit('SIGHUP', 'SIGHUP');
  expect(interrupts.signal.reason).toMatchObject({ code: 'cancelled_by_caller', message: 'ended by SIGHUP' });
  interrupts.dispose();
  expect(listeners()).toEqual(before);
});
