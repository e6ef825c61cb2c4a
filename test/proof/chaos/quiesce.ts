/** The end of a run: agents come to rest, and nothing is in use any more. */
import type { KvferryClient } from '../../../src/client/kvferry-client.js';
import { poll } from '../../../src/processes/within.js';

const QUIESCENCE_TIMEOUT_MS = 20_000;
const CALL_TIMEOUT_MS = 1500;

interface Agents {
  readonly client: KvferryClient;
  readonly slots: readonly { readonly name: string }[];
}

export interface Holdings {
  /** Pages that are neither free nor retained. */
  readonly pages: number;
  /** Chunks of engines' memory that an agent may still read. */
  readonly sourceChunks: number;
  /** What is in use, as text. */
  readonly words: readonly string[];
}

/** Waits until the agents are idle. Resolves to what is still in use. */
export async function quiesce(agents: Agents): Promise<Holdings> {
  let left = await holdings(agents);
  await poll(QUIESCENCE_TIMEOUT_MS, async () => {
    left = await holdings(agents);
    return left.words.length === 0 || undefined;
  });
  return left;
}

async function holdings({ client, slots }: Agents): Promise<Holdings> {
  const words: string[] = [];
  let pages = 0;
  let sourceChunks = 0;
  for (const { name } of slots) {
    const status = await client.status(name, {}, { timeoutMs: CALL_TIMEOUT_MS });
    const { total, free, retained } = status.pages ?? { total: 0, free: 0, retained: 0 };
    if (free + retained !== total) {
      pages += total - free - retained;
      words.push(`${name}: ${JSON.stringify(status.pages)}`);
    }
    const inUse = status.segments.reduce((sum, segment) => sum + segment.chunksInUse, 0);
    sourceChunks += inUse;
    if (inUse > 0) words.push(`${name}: ${inUse} source chunks in use`);
    for (const row of status.requests) words.push(`${name}: ${row.side} of ${row.request} is ${row.state}`);
  }
  return { pages, sourceChunks, words };
}
