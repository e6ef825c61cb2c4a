/** The engines of the demo and its router, and the bytes that they move: every chunk has the pattern of its key. */
import { join } from 'node:path';
import type { AcquiredChunks } from '../../client/acquired-chunks.js';
import { DecodeEngine } from '../../client/decode-engine.js';
import { SILENT_MS } from '../../client/engine-session.js';
import type { KvferryClient } from '../../client/kvferry-client.js';
import { PrefillEngine } from '../../client/prefill-engine.js';
import { RequestEnds } from '../../client/request-ends.js';
import { SharedFile } from '../../client/shared-file.js';
import type { SourceChunk } from '../../client/source-memory.js';
import { patient, patientTimeout } from '../../processes/patience.js';
import type { Teardown } from '../../processes/teardown.js';
import { poll } from '../../processes/within.js';
import type { TerminalEvent } from '../../protocol/events.js';
import type { Cluster } from './cluster.js';
import { fillPage, findMismatch } from './pattern.js';
import type { Violations } from './violations.js';

/** Time for one answer of an agent. */
const CALL_TIMEOUT_MS = 2_000;

export interface Engines {
  readonly prefill: readonly PrefillEngine[];
  readonly decode: DecodeEngine;
  readonly ends: RequestEnds;
}

export interface EnginesOptions {
  /** Unique part of the segments' names. */
  readonly run: string;
  /** For the engines' memory. */
  readonly directory: string;
  readonly chunkBytes: number;
  /** Memory of one engine, in chunks. */
  readonly slots: number;
  /** How long agents may be away; 0: they never are. */
  readonly patienceMs: number;
}

/** Engines for the agents of a cluster. The teardown closes their memory. */
export async function openEngines(
  { run, directory, chunkBytes, slots, patienceMs }: EnginesOptions,
  cluster: Cluster,
  client: KvferryClient,
  violations: Violations,
  teardown: Teardown,
): Promise<Engines> {
  const ends = new RequestEnds(client, {
    onRepeated: ({ request, end }) => violations.add(`a second terminal event of ${request} says ${end}`),
  });
  const callTimeoutMs = patient(CALL_TIMEOUT_MS);
  const prefill: PrefillEngine[] = [];
  for (const [index, { agent }] of cluster.prefill.entries()) {
    const segment = `${run}-engine-${index + 1}`;
    const memory = await SharedFile.create(join(directory, segment), slots * chunkBytes);
    teardown.defer(() => memory.close());
    const engine = await PrefillEngine.open({
      client,
      agent,
      segment,
      memory,
      slotBytes: chunkBytes,
      ends,
      patienceMs,
      callTimeoutMs,
      silentMs: patientTimeout(SILENT_MS),
      onReleasedTwice: ({ request, batch }, position) =>
        violations.add(`source of ${request}, batch ${batch}, position ${position} was released twice`),
    });
    prefill.push(engine);
  }
  return { prefill, decode: new DecodeEngine({ client, agent: cluster.decode.agent, callTimeoutMs }), ends };
}

export async function closeEngines({ prefill, ends }: Engines): Promise<void> {
  for (const engine of prefill) await engine.close();
  ends.close();
}

/** Computes a prompt: fills the engine's memory with the patterns of its keys, as slots come free. */
export function compute(engine: PrefillEngine, keys: readonly string[], chunkBytes: number): Promise<SourceChunk[]> {
  const page = Buffer.allocUnsafe(chunkBytes);
  const bytesOf = (key: string) => {
    fillPage(page, key);
    return page;
  };
  return engine.fill(keys.map((key) => ({ key, bytes: () => bytesOf(key) })));
}

/**
 * Acquires a ready request, compares every byte, and releases it. Resolves with what is wrong: chunks that are missing, that
 * have other bytes, or that no caller asked for.
 */
export async function consume(
  decode: DecodeEngine,
  event: TerminalEvent,
  keys: readonly string[],
  chunkBytes: number,
): Promise<string[]> {
  await using found = await decode.acquire(event);
  const mismatches: string[] = [];
  const page = Buffer.allocUnsafe(chunkBytes);
  const scratch = Buffer.allocUnsafe(chunkBytes);
  for (const key of new Set(keys)) {
    const mismatch = await mismatchOf(found, key, page, scratch);
    if (mismatch !== undefined) mismatches.push(`${key}: ${mismatch}`);
  }
  const asked = new Set(keys);
  for (const key of found.places.keys()) if (!asked.has(key)) mismatches.push(`${key}: not asked for`);
  return mismatches;
}

async function mismatchOf(
  found: AcquiredChunks,
  key: string,
  page: Buffer,
  scratch: Buffer,
): Promise<string | undefined> {
  const place = found.places.get(key);
  if (place === undefined) return 'missing';
  if (place.length !== page.length) return `${place.length} bytes`;
  await found.read(key, page);
  const mismatch = findMismatch(page, key, scratch);
  if (mismatch === undefined) return undefined;
  return `byte ${mismatch.offset} of page ${place.page} is ${mismatch.actual}, not ${mismatch.expected}`;
}

/** Resolves with the number of chunks whose memory the agent has not released within `timeoutMs`. */
export async function unreleased(engine: PrefillEngine, timeoutMs: number): Promise<number> {
  await poll(timeoutMs, async () => engine.slots.free === engine.slots.total || undefined);
  return engine.slots.total - engine.slots.free;
}
