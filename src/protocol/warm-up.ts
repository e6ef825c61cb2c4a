/**
 * V8 compiles code that runs often. The first large message of a process takes several times as long as later ones: 40 ms and more
 * in one turn. An agent spends that time at its start instead.
 */
import { decode } from './codec.js';
import { PROTOCOL_VERSION } from './limits.js';
import { type PutRequest, putRequest } from './operations.js';

const CHUNKS = 1024;
const TIMES = 6;

/** Decodes a large message a few times. Takes about 50 ms. */
export function warmUp(): void {
  const message: PutRequest = {
    v: PROTOCOL_VERSION,
    request: 'warm-up',
    batch: 0,
    last: true,
    totalChunks: CHUNKS,
    timeoutMs: 1,
    keys: Array.from({ length: CHUNKS }, (_, index) => `model@1@0@${index.toString(16).padStart(64, '0')}@bf16`),
    source: Array.from({ length: CHUNKS }, (_, index) => ({
      segment: 'kv',
      offset: index,
      length: 1,
      count: 1,
      ...(index < CHUNKS / 2 ? {} : { stride: 1, pieces: { count: 1, stride: 1 } }),
    })),
  };
  const text = JSON.stringify(message);
  for (let time = 0; time < TIMES; time += 1) decode(putRequest, text);
}
