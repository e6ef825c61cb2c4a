/** Where commands look for NATS when they are not told. */
export const DEFAULT_NATS_URL = 'nats://127.0.0.1:4222';
