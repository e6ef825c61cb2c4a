/** States to filter by: the four ends, and the states in which a request can hang. */
export const requestStates = [
  'ready',
  'failed',
  'cancelled',
  'expired',
  'offered',
  'open',
  'settling',
  'waiting',
  'held',
  'gathering',
  'aborting',
] as const;
