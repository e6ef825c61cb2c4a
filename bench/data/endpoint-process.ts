/**
 * One side of the fabric in a separate process. It executes the commands of its parent one after the other, and ends with
 * its parent.
 */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { percentile, rounded } from '../../src/figures/statistics.js';
import { openNativeFabric } from '../../src/native/native-fabric.js';
import type { FabricConnection, FabricPort, Provider } from '../../src/ports/fabric.js';
import { patient } from '../../src/processes/patience.js';
import { KvferryError } from '../../src/protocol/errors.js';
import { MEMFD_DIRECTORY } from '../harness/engine-memory.js';
import type { WriteTimes } from './contender.js';
import type { EndpointAnswers, EndpointCommand, EndpointReply } from './endpoint-messages.js';
import { fillChunk } from './pattern.js';
import type { WriteCase } from './write-case.js';

const SEGMENT = 'bench';
const CONNECT_TIMEOUT_MS = 10_000;
const PAGE_BYTES = 4096;
const US_PER_MS = 1000;
const MS_PER_S = 1000;
const US_PER_S = 1e6;

/** The memory of this side: a source or an arena. */
let memory: number;
let fabric: FabricPort;
const connections = new Map<Provider, FabricConnection>();

async function execute(command: EndpointCommand): Promise<EndpointAnswers[keyof EndpointAnswers]> {
  switch (command.type) {
    case 'receive': {
      fabric = await openFabric(command);
      await fabric.createArena({ path: command.path, pageBytes: PAGE_BYTES, pages: command.bytes / PAGE_BYTES });
      memory = openSync(command.path, 'r');
      const offers = await Promise.all(
        fabric.endpoints().map(async (endpoint) => ({ endpoint, grant: await fabric.grant(endpoint.provider) })),
      );
      return { offers, unavailable: fabric.unavailable() };
    }
    case 'send': {
      fabric = await openFabric(command);
      memory = openSync(command.path, 'r+');
      await fabric.attachSegment(SEGMENT, command.path);
      for (const { endpoint, grant } of command.offers) {
        const connection = await fabric.connect(endpoint, grant, { timeoutMs: patient(CONNECT_TIMEOUT_MS) });
        connections.set(endpoint.provider, connection);
      }
      return { connected: true };
    }
    case 'fill':
      fill(command.one, command.round);
      return { filled: true };
    case 'write':
      return write(command.one, command.provider);
    case 'verify':
      return { wrongChunks: countWrong(command.one, command.round) };
  }
}

function openFabric(command: EndpointCommand & { type: 'receive' | 'send' }): Promise<FabricPort> {
  const { providers, socketDirectory, bindAddress } = command;
  return openNativeFabric({ providers, socketDirectory, bindAddress, segmentDirectories: [MEMFD_DIRECTORY] });
}

function fill({ chunkBytes, chunks }: WriteCase, round: number): void {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let number = 0; number < chunks; number += 1) {
    fillChunk(chunk, round, number);
    writeSync(memory, chunk, 0, chunkBytes, number * chunkBytes);
  }
}

function countWrong({ chunkBytes, chunks }: WriteCase, round: number): number {
  const expected = Buffer.allocUnsafe(chunkBytes);
  const actual = Buffer.allocUnsafe(chunkBytes);
  let wrong = 0;
  for (let number = 0; number < chunks; number += 1) {
    fillChunk(expected, round, number);
    readSync(memory, actual, 0, chunkBytes, number * chunkBytes);
    if (!actual.equals(expected)) wrong += 1;
  }
  return wrong;
}

async function write({ chunkBytes, batch, inFlight, chunks }: WriteCase, provider: Provider): Promise<WriteTimes> {
  const connection = connections.get(provider);
  if (connection === undefined) throw new KvferryError('provider_unavailable', `no connection over ${provider}`);
  const batchesUs: number[] = [];
  let next = 0;
  const lane = async () => {
    while (next < chunks) {
      const first = next;
      next += batch;
      const startMs = performance.now();
      const items = Array.from({ length: batch }, (_, index) => {
        const offset = (first + index) * chunkBytes;
        return { segment: SEGMENT, sourceOffset: offset, targetOffset: offset, length: chunkBytes };
      });
      const outcome = await connection.write(items).done;
      if (outcome.status !== 'delivered') {
        throw new KvferryError('fabric_error', `a write over ${provider} was ${outcome.status}`, { cause: outcome });
      }
      batchesUs.push((performance.now() - startMs) * US_PER_MS);
    }
  };
  const cpuBefore = process.cpuUsage();
  const startMs = performance.now();
  await Promise.all(Array.from({ length: inFlight }, lane));
  const seconds = (performance.now() - startMs) / MS_PER_S;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    seconds,
    senderCpuSeconds: (user + system) / US_PER_S,
    batchP50Us: rounded(percentile(batchesUs, 0.5)),
    batchP99Us: rounded(percentile(batchesUs, 0.99)),
  };
}

process.on('message', async (command: EndpointCommand) => {
  let reply: EndpointReply;
  try {
    reply = { ok: true, answer: await execute(command) };
  } catch (error) {
    reply = { ok: false, message: error instanceof Error ? error.message : String(error) };
  }
  process.send?.(reply);
});

async function end(): Promise<void> {
  if (fabric !== undefined) await fabric.close();
  if (memory !== undefined) closeSync(memory);
  process.exit();
}
process.once('SIGTERM', () => void end());
process.once('disconnect', () => void end());
