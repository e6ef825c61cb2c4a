/** What can be asked for: the four ends, and the states that tell where a request hangs. */
export const requestStates = [
  'ready',
  'failed',
  'cancelled',
  'expired',
  'open',
  'settling',
  'waiting',
  'gathering',
  'aborting',
] as const;
