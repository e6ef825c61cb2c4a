/** The cluster under test: the NATS servers, the agents by name, and the measurements after the death of an agent. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { attachSegment } from '../../../src/client/attach-segment.js';
import { KvferryClient } from '../../../src/client/kvferry-client.js';
import { RequestEnds } from '../../../src/client/request-ends.js';
import { connectNats } from '../../../src/control/nats-control.js';
import { Random } from '../../../src/figures/random.js';
import type { ControlPort } from '../../../src/ports/control.js';
import type { Teardown } from '../../../src/processes/teardown.js';
import { decode } from '../../../src/protocol/codec.js';
import { isKvferryError } from '../../../src/protocol/errors.js';
import { terminalEvent } from '../../../src/protocol/events.js';
import { heartbeat } from '../../../src/protocol/peer-messages.js';
import { subjects } from '../../../src/protocol/subjects.js';
import { AgentSlot } from './agent-slot.js';
import { ArenaReader } from './arena-reader.js';
import { KeyPool } from './key-pool.js';
import { isLate } from './late-error.js';
import { type Accepted, type Ending, Ledger } from './ledger.js';
import { NatsCluster } from './nats-cluster.js';
import { Samples } from './samples.js';
import { WallClock, wallClockMissing } from './wall-clock.js';

export const HEARTBEAT_MS = 200;
export const LEASE_MS = 2000;
const CHUNK_BYTES = 65_536;
export const ARENA_PAGES = 48;
/** Timeout of one call to an agent, which may be stopped. */
export const CALL_TIMEOUT_MS = 1500;
export const SEGMENT = 'engine';
const PREFILL_AGENTS = ['same-host', 'tcp'];
/** Retained pages of each decode agent. The first agent retains none, so all its pages are free in the quiet phase. */
const RETAINED_PAGES = [0, 12];
/** Time after a disturbance of NATS in which all agents reconnect and receive each other's heartbeats. */
const NATS_SETTLE_MS = 3000;
/** Time after a fault in which its consequences may still show. */
const SETTLE_MS = 1000;
const POLL_MS = 50;
const CONNECT_TIMEOUT_MS = 10_000;
/** Longer than any interruption of NATS. */
const ATTACH_TIMEOUT_MS = 10_000;
const RECLAIM_TIMEOUT_MS = 10_000;

interface Death {
  readonly slot: AgentSlot;
  readonly epoch: string;
  readonly atMs: number;
}

export class ChaosCluster {
  readonly random: Random;
  readonly ledger: Ledger;
  readonly detectMs = new Samples();
  readonly reclaimMs = new Samples();
  /** Times from the death of a receiver to the typed error of its sender. */
  readonly receiverErrorMs = new Samples();
  /** Requests whose error came too late although their sender was undisturbed. */
  readonly late: string[] = [];
  kills = 0;
  clockSteps = 0;
  readonly prefill: readonly AgentSlot[];
  readonly decode: readonly AgentSlot[];
  readonly client: KvferryClient;
  readonly ends: RequestEnds;
  readonly pool: KeyPool;
  readonly reader: ArenaReader;
  readonly nats: NatsCluster;
  readonly #deaths = new Map<string, Death>();
  readonly #watches = new Set<Promise<void>>();
  #natsDisturbedMs = Number.NEGATIVE_INFINITY;

  private constructor(parts: {
    nats: NatsCluster;
    observers: readonly ControlPort[];
    control: ControlPort;
    random: Random;
    pool: KeyPool;
    logDirectory: string;
    sharedDirectory: string;
    socketDirectory: string;
  }) {
    const { nats, observers, control, random, pool, logDirectory, sharedDirectory, socketDirectory } = parts;
    this.nats = nats;
    this.random = random;
    this.pool = pool;
    this.client = new KvferryClient(control);
    this.ends = new RequestEnds(this.client);
    this.reader = new ArenaReader(this.client, pool, CALL_TIMEOUT_MS);
    this.ledger = new Ledger({
      ended: (entry, ending) => this.#ended(entry, ending),
      diedBetween: (agent, fromMs, untilMs) =>
        [...this.#deaths.values()].some(({ slot, atMs }) => slot.name === agent && atMs >= fromMs && atMs <= untilMs),
    });
    const slot = (name: string, role: 'prefill' | 'decode', provider: string, retainedPages = 0) =>
      new AgentSlot({
        name,
        role,
        args: agentArguments(provider, sharedDirectory, socketDirectory, retainedPages),
        natsUrl: nats.url,
        logPath: join(logDirectory, `${name}.log`),
        wallClock: wallClockMissing === undefined ? new WallClock(join(socketDirectory, `${name}.clock`)) : undefined,
        onDeath: (...death) => this.#died(...death),
      });
    this.prefill = PREFILL_AGENTS.map((provider, index) => slot(`chaos-prefill-${index}`, 'prefill', provider));
    this.decode = RETAINED_PAGES.map((retainedPages, index) =>
      slot(`chaos-decode-${index}`, 'decode', PREFILL_AGENTS.join(','), retainedPages),
    );
    control.subscribe(subjects.heartbeats, ({ body }) => {
      const { agent, epoch } = decode(heartbeat, body);
      this.slots.find(({ name }) => name === agent)?.heard(epoch);
    });
    for (const observer of observers) {
      observer.subscribe(subjects.terminals, ({ subject, body }) => {
        this.ledger.heard(subject.split('.').at(-2) ?? '', decode(terminalEvent, body));
      });
    }
  }

  static async start(options: { seed: number; logDirectory: string | undefined }, teardown: Teardown) {
    const work = mkdtempSync(join(tmpdir(), 'kvferry-chaos-'));
    teardown.defer(() => rmSync(work, { recursive: true, force: true }));
    const shared = mkdtempSync('/dev/shm/kvferry-chaos-');
    teardown.defer(() => rmSync(shared, { recursive: true, force: true }));
    const logDirectory = options.logDirectory ?? work;
    mkdirSync(logDirectory, { recursive: true });
    const nats = await NatsCluster.start(logDirectory, teardown);
    const connect = async (servers: string) => {
      const connected = await connectNats({ servers, name: 'kvferry chaos', connectTimeoutMs: CONNECT_TIMEOUT_MS });
      teardown.defer(() => connected.close());
      return connected;
    };
    const control = await connect(nats.url);
    // One observer at each server, so that an outage of one server hides no announcement.
    const observers = await Promise.all(nats.urls.map(connect));
    const random = new Random(options.seed);
    const pool = new KeyPool({ path: join(shared, 'segment'), prefix: 'chaos', chunkBytes: CHUNK_BYTES, random });
    const parts = {
      nats,
      observers,
      control,
      random,
      pool,
      logDirectory,
      sharedDirectory: shared,
      socketDirectory: work,
    };
    const cluster = new ChaosCluster(parts);
    // It ends the sessions of the load, which would go on asking for their agents.
    teardown.defer(() => cluster.client.close());
    teardown.defer(async () => void (await Promise.all(cluster.slots.map((slot) => slot.kill()))));
    await Promise.all([control, ...observers].map((one) => one.flush()));
    await Promise.all(cluster.slots.map((slot) => cluster.bringUp(slot)));
    return cluster;
  }

  get slots(): readonly AgentSlot[] {
    return [...this.prefill, ...this.decode];
  }

  slot(name: string): AgentSlot {
    return this.slots.find((slot) => slot.name === name) as AgentSlot;
  }

  /** Starts an agent and attaches its source memory. Resolves to false if the agent dies before that. */
  async bringUp(slot: AgentSlot, failpoints = '', serve = true): Promise<boolean> {
    while (!(await slot.start(failpoints)) || !(await this.#attachSource(slot))) {
      if (failpoints !== '') return false;
    }
    slot.inService = serve;
    return true;
  }

  /** Attaches the segment, and tries again while NATS is unreachable. Resolves to false if the agent dies. */
  async #attachSource(slot: AgentSlot): Promise<boolean> {
    if (slot.role === 'decode') return true;
    const segment = { segment: SEGMENT, path: this.pool.path };
    for (const untilMs = performance.now() + ATTACH_TIMEOUT_MS; slot.isAlive; ) {
      try {
        await attachSegment(this.client, slot.name, segment, { timeoutMs: CALL_TIMEOUT_MS });
        return true;
      } catch (error) {
        if (!isKvferryError(error) || performance.now() > untilMs) throw error;
        await delay(POLL_MS);
      }
    }
    return false;
  }

  /** Resolves to undefined after a typed error, which calls may get when agents die. */
  async attempt<T>(call: () => Promise<T>): Promise<T | undefined> {
    try {
      return await call();
    } catch (error) {
      if (isKvferryError(error)) return undefined;
      throw error;
    }
  }

  /** True if no fault has struck the agent or NATS since `sinceMs`, or shortly before it. */
  undisturbedSince(slot: AgentSlot, sinceMs: number): boolean {
    const beforeMs = sinceMs - SETTLE_MS;
    return slot.isAlive && slot.disturbedMs < beforeMs && this.#natsDisturbedMs < beforeMs;
  }

  /** Disturbs NATS by `work`. Nothing is measured until its consequences are over. */
  async disturbNats(work: () => Promise<void> | void): Promise<void> {
    this.#natsDisturbedMs = Number.POSITIVE_INFINITY;
    await work();
    this.#natsDisturbedMs = performance.now() + NATS_SETTLE_MS;
  }

  /** Steps the wall clock of an agent. No measurement may notice it. */
  stepClock(slot: AgentSlot, seconds: number): void {
    if (wallClockMissing !== undefined) return;
    slot.stepClock(seconds);
    this.clockSteps += 1;
  }

  /** Resolves when all measurements have finished. */
  async measured(): Promise<void> {
    await Promise.all(this.#watches);
  }

  #died(slot: AgentSlot, epoch: string | undefined, atMs: number): void {
    this.kills += 1;
    if (epoch === undefined) return;
    this.#deaths.set(epoch, { slot, epoch, atMs });
    if (slot.role === 'decode') return;
    for (const decode of this.decode) {
      const watch = this.#watchReclaim(decode, epoch, atMs).finally(() => this.#watches.delete(watch));
      this.#watches.add(watch);
    }
  }

  /** If a request failed because an agent died, records when the other agent detected the death. */
  #ended(entry: Accepted, { event, heardMs }: Ending): void {
    if (event.end !== 'failed') return;
    const senderDied = this.#deaths.get(entry.epoch);
    const receiverDied = this.#deaths.get(entry.receiverEpoch ?? '');
    if (senderDied !== undefined && receiverDied === undefined) {
      if (this.undisturbedSince(this.slot(entry.receiver), senderDied.atMs))
        this.detectMs.add(heardMs - senderDied.atMs);
    }
    if (receiverDied !== undefined && senderDied === undefined) {
      if (!this.undisturbedSince(this.slot(entry.sender), receiverDied.atMs)) return;
      this.receiverErrorMs.add(heardMs - receiverDied.atMs);
      const times = { diedMs: receiverDied.atMs, heardMs, deadlineMs: entry.deadlineMs };
      if (isLate(times, HEARTBEAT_MS)) this.late.push(entry.request);
    }
  }

  /**
   * Measures the time from the death of a sender until a receiver has freed everything of that sender. The receiver then has
   * none of its requests, neither arriving nor leased. It has also revoked the remote key, so no page is quarantined.
   */
  async #watchReclaim(decode: AgentSlot, epoch: string, atMs: number): Promise<void> {
    let known: { readonly revoked: number; readonly hadGrant: boolean } | undefined;
    while (this.undisturbedSince(decode, atMs) && performance.now() - atMs < RECLAIM_TIMEOUT_MS) {
      const status = await this.attempt(() => this.client.status(decode.name, {}, { timeoutMs: CALL_TIMEOUT_MS }));
      if (status === undefined) return;
      const peer = status.peers.find((row) => row.epoch === epoch);
      const revoked = status.counters['grants_revoked'] ?? 0;
      if (peer !== undefined) known = { revoked, hadGrant: peer.provider !== undefined };
      if (known === undefined) return;
      const fenced = peer === undefined && (!known.hadGrant || revoked > known.revoked);
      if (fenced && !status.requests.some((row) => row.epoch === epoch)) {
        this.reclaimMs.add(performance.now() - atMs);
        return;
      }
      await delay(POLL_MS);
    }
    if (this.undisturbedSince(decode, atMs)) this.reclaimMs.add(performance.now() - atMs);
  }
}

function agentArguments(
  provider: string,
  sharedDirectory: string,
  socketDirectory: string,
  retainedPages: number,
): string[] {
  return [
    ...['--provider', provider, '--page-bytes', `${CHUNK_BYTES}`, '--arena-pages', `${ARENA_PAGES}`],
    ...['--arena-directory', sharedDirectory, '--socket-directory', socketDirectory],
    ...['--heartbeat-ms', `${HEARTBEAT_MS}`, '--lease-ms', `${LEASE_MS}`, '--sweep-interval-ms', '100'],
    ...['--attempt-timeout-ms', '400', '--inquire-interval-ms', '400', '--write-drain-timeout-ms', '1000'],
    // A small window makes a write slow, so a zombie still has most of its bytes to post.
    ...['--window-bytes', `${CHUNK_BYTES}`, '--slice-bytes', '16384', '--shutdown-timeout-ms', '1000'],
    ...['--retained-pages', `${retainedPages}`, '--log-level', 'info'],
  ];
}
