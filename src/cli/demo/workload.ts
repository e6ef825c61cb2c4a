/**
 * Makes prompts as a router sends them: many requests share a few system prompts, and each has its own question. A chunk has
 * 256 tokens. Its key is a hash of the whole prompt up to its end, as in real engines, so equal prefixes have equal keys.
 */
import { createHash } from 'node:crypto';
import { Random } from '../../figures/random.js';

/** Lengths of prompts in chunks: 2K, 4K, 6K, 7.5K and 8K tokens. */
const PROMPT_CHUNKS = [8, 16, 24, 30, 32] as const;
export const PROMPT_CHUNKS_MAX = Math.max(...PROMPT_CHUNKS);
/** Chunks in one step of chunked prefill, which is 2,048 tokens. */
export const CHUNKS_PER_BATCH = 8;
const SYSTEM_PROMPTS = 4;
const HASH_HEX_DIGITS = 32;

export interface Prompt {
  readonly request: string;
  /** Index of the prefill engine that computes the prompt. */
  readonly engine: number;
  readonly keys: readonly string[];
}

export interface WorkloadOptions {
  /** Unique part of this run's request ids. */
  readonly run: string;
  readonly seed: number;
  readonly requests: number;
  readonly engines: number;
  /** Fraction of each prompt that is its system prompt, 0 to 1. */
  readonly share: number;
}

export function makeWorkload({ run, seed, requests, engines, share }: WorkloadOptions): Prompt[] {
  const random = new Random(seed);
  return Array.from({ length: requests }, (_, index) => {
    const chunks = random.pick(PROMPT_CHUNKS);
    // Consecutive requests share a system prompt, so that different engines compute the same chunks at the same time.
    const systemPrompt = Math.floor(index / engines) % SYSTEM_PROMPTS;
    const shared = chainOfKeys(`${seed} system prompt ${systemPrompt}`, Math.floor(chunks * share));
    const own = chainOfKeys(`${seed} question ${index} after ${shared.at(-1) ?? 'nothing'}`, chunks - shared.length);
    return { request: `${run}-${index}`, engine: index % engines, keys: [...shared, ...own] };
  });
}

/** Keys of `count` chunks of one text. Each key depends on all keys before it. */
export function chainOfKeys(text: string, count: number): string[] {
  let hash = text;
  return Array.from({ length: count }, () => {
    hash = createHash('sha256').update(hash).digest('hex').slice(0, HASH_HEX_DIGITS);
    return `Qwen2.5-0.5B-Instruct@1@0@${hash}@bfloat16`;
  });
}
