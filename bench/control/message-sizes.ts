/** Sizes of the messages of one request, for bare round trips with the same sizes. */
import type { z } from 'zod';
import { PROTOCOL_VERSION } from '../../src/protocol/limits.js';
import type { operationSchemas } from '../../src/protocol/operations.js';
import type { peerSchemas } from '../../src/protocol/peer-messages.js';
import { freshKeys } from '../harness/keys.js';
import type { ControlCase } from './control-case.js';

export interface RoundTripSizes {
  readonly requestBytes: number;
  readonly replyBytes: number;
}

/** Sizes of the three messages that are answered before a request is ready: put, allocate, commit. */
export function messageSizes({ keys: count, shared }: Pick<ControlCase, 'keys' | 'shared'>): RoundTripSizes[] {
  const keys = freshKeys(count);
  const fresh = count - Math.floor(count * shared);
  const v = PROTOCOL_VERSION;
  const ok = { v, ok: true } as const;
  const epoch = '0123456789abcdef';
  const name = { request: 'bench-12345', epoch };
  const one = { length: 1, count };
  // Page numbers and generations as in a store that has been in use for some time.
  const pages = Array.from({ length: fresh }, (_, index) => 1000 + index);
  const generations = pages.map(() => 100);
  const alreadySent = Array.from({ length: count - fresh }, (_, index) => index);
  const part = { batch: 0, last: true, totalChunks: count, timeoutMs: 60_000, keys };
  const put: z.input<typeof operationSchemas.put.request> = {
    v,
    request: name.request,
    receiver: 'bench-decode',
    ...part,
    source: [{ segment: 'bench', offset: 0, ...one }],
  };
  const allocate: z.input<typeof peerSchemas.allocate.request> = {
    v,
    ...name,
    grant: 'tcp-1',
    ...part,
    lengths: [one],
  };
  const commit: z.input<typeof peerSchemas.commit.request> = {
    v,
    ...name,
    batch: 0,
    part: 0,
    pages,
    generations,
    lengths: [{ length: 1, count: Math.max(1, fresh) }],
  };
  const allocateReply: z.input<typeof peerSchemas.allocate.reply> = {
    ...ok,
    allocation: { grant: 'bench', pages, generations, alreadySent, joined: [] },
  };
  const sizes = (request: object, reply: object) => ({
    requestBytes: JSON.stringify(request).length,
    replyBytes: JSON.stringify(reply).length,
  });
  return [sizes(put, { ...ok, epoch }), sizes(allocate, allocateReply), sizes(commit, ok)];
}
