/** Requests as engines and a router make them: put, wait for the announcement of the end, release. */
import type { AcquiredChunks } from '../../src/client/acquired-chunks.js';
import { attachSegment } from '../../src/client/attach-segment.js';
import { DecodeEngine } from '../../src/client/decode-engine.js';
import { EngineSession } from '../../src/client/engine-session.js';
import { OutgoingRequest } from '../../src/client/outgoing-request.js';
import { RequestEnds } from '../../src/client/request-ends.js';
import { SharedFile } from '../../src/client/shared-file.js';
import type { SourceChunk } from '../../src/client/source-memory.js';
import { SystemClock } from '../../src/control/system-clock.js';
import { patient, patientTimeout } from '../../src/processes/patience.js';
import type { TerminalEvent } from '../../src/protocol/events.js';
import type { Cluster } from './cluster.js';

const TIMEOUT_MS = 60_000;
const SEGMENT = 'bench';
const CALL_TIMEOUT_MS = 10_000;

/** The bytes of the source do not change while a suite runs, so its requests share them. */
export class Requests {
  readonly #cluster: Cluster;
  readonly #ends: RequestEnds;
  readonly #decode: DecodeEngine;
  readonly #clock = new SystemClock();
  readonly #sessions = new Map<string, EngineSession>();
  #count = 0;

  constructor(cluster: Cluster) {
    this.#cluster = cluster;
    this.#ends = new RequestEnds(cluster.client);
    this.#decode = new DecodeEngine({ client: cluster.client, agent: cluster.decode.name });
  }

  /** Makes a source file of `bytes` bytes and attaches it at every prefill agent. Its path. */
  async attach(directory: string, bytes: number): Promise<string> {
    const file = await SharedFile.create(`${directory}/source`, bytes);
    await file.write(0, new Uint8Array(bytes));
    await file.close();
    await Promise.all(this.#cluster.prefill.map(({ name }) => this.attachAt(name, file.path)));
    return file.path;
  }

  /** Also after a restart of the agent. */
  async attachAt(agent: string, path: string): Promise<void> {
    const { client } = this.#cluster;
    await attachSegment(client, agent, { segment: SEGMENT, path });
    await this.#sessions.get(agent)?.end();
    const call = { timeoutMs: patient(CALL_TIMEOUT_MS) };
    const options = { client, agent, holder: SEGMENT, clock: this.#clock, call, patienceMs: 0 };
    this.#sessions.set(agent, await EngineSession.open(options));
  }

  /** Chunks that lie one after the other from chunk `first` of the source on. */
  chunks(keys: readonly string[], chunkBytes: number, first = 0): SourceChunk[] {
    return keys.map((key, index) => ({
      key,
      segment: SEGMENT,
      length: chunkBytes,
      offset: (first + index) * chunkBytes,
    }));
  }

  /** Expects the end of a new request from now on. */
  begin(sender: string, totalChunks: number): OutgoingRequest {
    this.#count += 1;
    const request = `bench-${this.#count}`;
    const receiver = this.#cluster.decode.name;
    const session = this.#sessions.get(sender);
    if (session === undefined) throw new Error(`nothing is attached at ${sender}`);
    return new OutgoingRequest(
      { request, receiver, totalChunks, timeoutMs: patientTimeout(TIMEOUT_MS) },
      { session, ends: this.#ends, clock: this.#clock, patienceMs: 0 },
    );
  }

  /** Resolves when the request has ended, however. */
  async end(outgoing: OutgoingRequest): Promise<TerminalEvent> {
    return (await outgoing.end({ timeoutMs: patient(TIMEOUT_MS) })).event;
  }

  /** Puts one batch and waits until it is ready. Rejects when it ends in another way. */
  async move(sender: string, chunks: readonly SourceChunk[]): Promise<TerminalEvent> {
    const outgoing = this.begin(sender, chunks.length);
    await outgoing.put(chunks);
    return (await outgoing.ready({ timeoutMs: patient(TIMEOUT_MS) })).event;
  }

  acquire(event: TerminalEvent): Promise<AcquiredChunks> {
    return this.#decode.acquire(event);
  }

  release(event: TerminalEvent): Promise<void> {
    return this.#decode.release(event);
  }
}
