/**
 * One agent: starts and stops its parts, connects them to the subjects they serve, and tells the others that it lives.
 */
import type { Logger } from 'pino';
import { type Actor, createActor } from 'xstate';
import { type AgentEffects, agentMachine } from '../../../machines/agent.js';
import type { ClockPort } from '../../ports/clock.js';
import type { ControlMessage, ControlPort, ControlSubscription } from '../../ports/control.js';
import type { FabricPort } from '../../ports/fabric.js';
import type { Body } from '../../protocol/body.js';
import { decode, toFailure, unknownRequest } from '../../protocol/codec.js';
import type { Failure } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import {
  type DescribeReply,
  type OperationReply,
  type OperationRequest,
  operationSchemas,
} from '../../protocol/operations.js';
import { type Heartbeat, heartbeat, peerSchemas } from '../../protocol/peer-messages.js';
import { type End, subjects } from '../../protocol/subjects.js';
import { type AgentEnv, failureOf } from '../env/agent-env.js';
import type { AgentOptions } from '../env/agent-options.js';
import { Presence } from '../env/presence.js';
import { publishEvent } from '../env/publish-event.js';
import { atMost } from '../env/timers.js';
import { AuditPublisher } from '../observing/audit-publisher.js';
import { Counters } from '../observing/counters.js';
import { explain } from '../observing/explain/explain.js';
import { inspectActors, shownPageMap } from '../observing/inspection.js';
import { Journal } from '../observing/journal.js';
import { ObservedActors } from '../observing/observed-actors.js';
import type { Tracer } from '../observing/tracer.js';
import { Receiver, type StoreInspection } from '../receiving/receiver.js';
import { Owners, tell } from '../running/owners.js';
import { Supervisor } from '../running/supervisor.js';
import { Sender } from '../sending/sender.js';
import { serve } from './service.js';

export interface AgentPorts {
  readonly control: ControlPort;
  readonly fabric: FabricPort;
  readonly clock: ClockPort;
  readonly logger: Logger;
  /** Random 64 bits as 16 hexadecimal digits. */
  newEpoch(): string;
  /** Version of the program. */
  readonly version: string;
  /** Who follows requests as traces, if anybody does. */
  readonly tracer?: Tracer | undefined;
}

/** It was told to stop, or, with the reason, it has fenced itself. */
export interface AgentEnd {
  readonly fenced: Failure | null;
}

/** For connections, remote keys, arena and NATS to close, after the last writes have drained. */
const CLOSE_TIMEOUT_MS = 10_000;

const owners = new Owners<Agent, AgentEffects>();
const logic = owners.provide(agentMachine, {
  beginHeartbeats: (owner) => owner.beginHeartbeats(),
  watchForIdle: (owner) => owner.watchForIdle(),
  fence: (owner, { context }) => owner.fence(context.fenced),
  cancelRequests: (owner) => owner.cancelRequests(),
  close: (owner) => owner.close(),
  reportStuck: (owner) => owner.reportStuck(),
  reportUnexpected: (owner, { event }) => owner.ignored(event.type),
});

export class Agent {
  readonly epoch: string;
  readonly #env: AgentEnv;
  readonly #version: string;
  readonly #actor: Actor<typeof agentMachine>;
  readonly #sender: Sender | undefined;
  readonly #receiver: Receiver | undefined;
  readonly #audit: AuditPublisher | undefined;
  readonly #subscriptions: ControlSubscription[] = [];
  readonly #startedMs: number;
  readonly #timers: unknown[] = [];
  #resolveEnded: (how: AgentEnd) => void = () => undefined;
  /** Resolves when it has stopped. */
  readonly ended = new Promise<AgentEnd>((resolve) => {
    this.#resolveEnded = resolve;
  });

  constructor(options: AgentOptions, ports: AgentPorts) {
    const { control, fabric, clock, newEpoch, version, tracer } = ports;
    this.epoch = newEpoch();
    this.#version = version;
    this.#startedMs = clock.now();
    const { agent, role } = options;
    const logger = ports.logger.child({ agent, epoch: this.epoch });
    const presence = new Presence(clock, control, options.heartbeatMs);
    const counters = new Counters();
    const journal = new Journal(clock, options.journalEntries);
    if (tracer !== undefined) journal.onEvent((event) => tracer.happened(event));
    const actors = new ObservedActors(clock, journal);
    // Not at once: whoever found the reason is in the middle of something.
    const fence = (failure: Failure) => {
      clock.setTimeout(() => tell(this.#actor, { type: 'agent.fence', failure }), 0);
    };
    const supervisor = new Supervisor({ clock, counters, logger }, fence);
    this.#env = {
      ...{ options, epoch: this.epoch, control, fabric, clock, logger, counters, presence, supervisor },
      ...{ journal, actors, tracer },
    };
    this.#sender = role === 'decode' ? undefined : new Sender(this.#env);
    this.#receiver = role === 'prefill' ? undefined : new Receiver(this.#env);
    this.#audit =
      options.auditIntervalMs > 0
        ? new AuditPublisher({ agent, epoch: this.epoch, clock, journal }, (event) =>
            publishEvent(this.#env, subjects.audit(agent), event),
          )
        : undefined;
    const { shutdownTimeoutMs, writeDrainTimeoutMs } = options;
    const input = { drainTimeoutMs: shutdownTimeoutMs, closeTimeoutMs: writeDrainTimeoutMs + CLOSE_TIMEOUT_MS };
    this.#actor = createActor(logic, { id: `agent ${agent}`, input, clock });
    control.onStatus((status) => {
      this.#sender?.lineChanged(status);
      this.#receiver?.lineChanged(status);
    });
    owners.start(this.#actor, this, {
      task: { about: {} },
      actors,
      onError: (error) => this.#crashed(error),
    });
    this.#actor.subscribe({ complete: () => this.#stopped() });
  }

  /** Resolves when the agent serves. Rejects, with everything closed again, when it cannot. */
  async start(): Promise<void> {
    try {
      await this.#receiver?.open();
      await this.#sender?.memory.open();
      this.#serve();
      await this.#env.control.flush();
    } catch (error) {
      await this.stop();
      throw error;
    }
    this.#actor.send({ type: 'agent.started' });
    const { role } = this.#env.options;
    const endpoints = this.#env.fabric.endpoints().map(({ provider, detail }) => `${provider} (${detail})`);
    this.#env.logger.info({ role, endpoints }, 'agent running');
    for (const { provider, reason } of this.#env.fabric.unavailable()) {
      this.#env.logger.warn({ provider, reason }, 'provider unavailable');
    }
  }

  /** Takes no new requests, lets those in progress end, closes everything, the ports too. Bounded. Idempotent. */
  async stop(): Promise<void> {
    tell(this.#actor, { type: 'agent.drain' });
    await this.ended;
  }

  /** What happens in it, as it happens. */
  get journal(): Pick<Journal, 'onEvent'> {
    return this.#env.journal;
  }

  get state(): DescribeReply['state'] {
    const state = this.#actor.getSnapshot().value;
    return state === 'closing' ? 'draining' : (state as DescribeReply['state']);
  }

  /** What `status` says, with every request. */
  overview(): Body<OperationReply<'status'>> {
    return this.#status({ limit: Number.POSITIVE_INFINITY });
  }

  /** The store of an agent that receives, looked at as a whole. For checks: it takes as long as the arena is large. */
  inspectStore(): StoreInspection | undefined {
    return this.#receiver?.inspectStore();
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  beginHeartbeats(): void {
    const { heartbeatMs, sweepIntervalMs, auditIntervalMs } = this.#env.options;
    this.#beat(false);
    this.#every(heartbeatMs, () => this.#beat(false));
    this.#every(sweepIntervalMs, () => {
      this.#sender?.sweep(this.#env.clock.now());
      this.#receiver?.sweep();
    });
    if (auditIntervalMs > 0) this.#every(auditIntervalMs, () => this.#audit?.publish());
  }

  async watchForIdle(): Promise<void> {
    this.#env.logger.info('agent draining');
    this.#sender?.stopAccepting();
    this.#receiver?.stopAccepting();
    await Promise.all([this.#sender?.idle(), this.#receiver?.idle()]);
    this.#actor.send({ type: 'agent.idle' });
  }

  cancelRequests(): void {
    const { agent } = this.#env.options;
    const failure = failureOf('agent_draining', `agent ${agent} has stopped`);
    this.#env.logger.warn('requests in progress are given up');
    this.#sender?.cancelAll(failure);
    this.#receiver?.cancelAll(failure);
  }

  async fence(failure: Failure | null): Promise<void> {
    const reason = failure ?? failureOf('agent_fenced', 'no reason was given');
    this.#env.logger.fatal({ reason: reason.message }, 'agent fences itself');
    this.#sender?.stopAccepting();
    this.#sender?.cancelAll(reason);
    await this.#receiver?.fence(reason);
    tell(this.#actor, { type: 'agent.fenced' });
  }

  async close(): Promise<void> {
    const { control, fabric, clock, logger, options } = this.#env;
    try {
      // What was given up just now may still have to be told to a receiver.
      if (this.#sender !== undefined) {
        await atMost(clock, options.writeDrainTimeoutMs, this.#sender.idle());
      }
      this.#beat(true);
      for (const timer of this.#timers) clock.clearTimeout(timer);
      this.#audit?.publish();
      for (const subscription of this.#subscriptions) subscription.close();
      await this.#sender?.close();
      this.#receiver?.close();
      await fabric.close();
      await control.close();
    } catch (error) {
      logger.error({ err: error }, 'agent did not close cleanly');
    }
    logger.info('agent stopped');
    tell(this.#actor, { type: 'agent.closed' });
  }

  reportStuck(): void {
    this.#env.counters.add('closes_stuck');
    this.#env.logger.error('agent did not close in time');
  }

  ignored(event: string): void {
    this.#env.logger.debug({ event }, 'event ignored');
  }

  // --- subjects -----------------------------------------------------------------------------------------------------

  #serve(): void {
    const env = this.#env;
    const { agent } = env.options;
    const sender = this.#sender;
    const receiver = this.#receiver;
    const { control } = env;
    this.#subscriptions.push(
      serve(env, subjects.operations(agent), operationSchemas, {
        describe: () => this.#describe(),
        status: (request) => this.#status(request),
        inspect: (request) => this.#inspect(request),
        journal: (request) => ({ ...this.#clockReading(), ...env.journal.read(request) }),
        explain: (request) => this.#explain(request),
        cancel: (request) => this.#cancel(request),
        ...(sender === undefined
          ? {}
          : {
              put: (request) => sender.put(request),
              attach: ({ segment, path }) => sender.memory.attach(segment, path),
              detach: async ({ segment }) => {
                await sender.memory.detach(segment);
                return {};
              },
              stage: (request) => sender.stage(request),
              unstage: ({ holder, offsets }) => ({ returned: sender.memory.unstage(holder, offsets) }),
            }),
        ...(receiver === undefined
          ? {}
          : {
              acquire: (request) => receiver.acquire(request),
              release: (request) => receiver.release(request),
            }),
      }),
      serve(env, subjects.peers(agent, this.epoch), peerSchemas, {
        ...(sender === undefined
          ? {}
          : {
              confirm: (request) => sender.confirm(request),
              handover: (request) => sender.handOver(request),
              joined: (notice) => {
                sender.joined(notice);
                return {};
              },
              ended: (notice) => {
                sender.ended(notice);
                return {};
              },
            }),
        ...(receiver === undefined
          ? {}
          : {
              connect: (request) => receiver.connect(request),
              allocate: (request) => receiver.allocate(request),
              commit: (request) => receiver.commit(request),
              abort: (request) => receiver.abort(request),
              drained: (request) => receiver.drained(request),
              inquire: (request) => receiver.inquire(request),
              report: (request) => receiver.report(request),
              verdict: (request) => receiver.verdict(request),
            }),
      }),
      serve(env, subjects.discover, { discover: operationSchemas.describe }, { discover: () => this.#describe() }),
      control.subscribe(subjects.heartbeats, (message) => this.#heard(message)),
    );
  }

  #stopped(): void {
    const { status, output } = this.#actor.getSnapshot();
    if (status === 'done') this.#resolveEnded(output ?? { fenced: null });
  }

  /** The agent's own machine threw: there is nobody left to run it. */
  #crashed(error: unknown): void {
    const failure = toFailure(error);
    this.#env.logger.fatal({ err: error }, 'agent actor failed');
    const giveUp = async () => {
      await this.fence(failure);
      await this.close();
    };
    const timeoutMs = this.#env.options.writeDrainTimeoutMs + CLOSE_TIMEOUT_MS;
    void atMost(this.#env.clock, timeoutMs, giveUp()).finally(() => this.#resolveEnded({ fenced: failure }));
  }

  #heard(message: ControlMessage): void {
    try {
      const beat: Heartbeat = decode(heartbeat, message.body);
      this.#sender?.heartbeat(beat);
      this.#receiver?.heartbeat(beat);
    } catch (error) {
      const { code, field } = toFailure(error);
      this.#env.counters.add('messages_refused');
      this.#env.logger.warn({ subject: message.subject, code, field }, 'heartbeat refused');
    }
  }

  #cancel(request: OperationRequest<'cancel'>): { end?: End } {
    const answer = this.#sender?.cancel(request) ?? this.#receiver?.cancel(request);
    if (answer !== undefined) return answer;
    throw unknownRequest(request.request);
  }

  #describe(): Body<DescribeReply> {
    const { options, fabric } = this.#env;
    const arena = this.#receiver?.description();
    const staging = this.#sender?.memory.staging;
    return {
      agent: options.agent,
      epoch: this.epoch,
      role: options.role,
      state: this.state,
      version: this.#version,
      heartbeatMs: options.heartbeatMs,
      ...(options.faultsAllowed ? { faultsAllowed: true as const } : {}),
      endpoints: [...fabric.endpoints()],
      unavailable: [...fabric.unavailable()],
      ...(arena === undefined ? {} : { arena }),
      ...(staging === undefined ? {} : { staging }),
    };
  }

  #status({ request, limit }: Omit<OperationRequest<'status'>, 'v'>): Body<OperationReply<'status'>> {
    const { options, clock, counters } = this.#env;
    const rows = [...(this.#sender?.rows(request) ?? []), ...(this.#receiver?.rows(request) ?? [])];
    const pages = this.#receiver?.pageCounts();
    const staging = this.#sender?.memory.stagingCounts();
    return {
      agent: options.agent,
      epoch: this.epoch,
      role: options.role,
      state: this.state,
      uptimeMs: Math.round(clock.now() - this.#startedMs),
      ...(pages === undefined ? {} : { pages }),
      ...(this.#receiver === undefined ? {} : { quarantineAgeMs: this.#receiver.quarantineAgeMs }),
      queued: this.#receiver?.waiting ?? 0,
      ...(staging === undefined ? {} : { staging }),
      segments: this.#sender?.memory.rows() ?? [],
      peers: [...(this.#sender?.peerRows() ?? []), ...(this.#receiver?.peerRows() ?? [])],
      requests: rows.slice(0, limit),
      requestsTotal: rows.length,
      counters: counters.toJSON(),
    };
  }

  #inspect(request: OperationRequest<'inspect'>): Body<OperationReply<'inspect'>> {
    const map = request.pages ? this.#receiver?.details.pageMap() : undefined;
    const pages = map === undefined ? undefined : shownPageMap(map);
    return {
      ...this.#clockReading(),
      role: this.#env.options.role,
      state: this.state,
      ...inspectActors(this.#env.actors, request),
      ...(pages === undefined ? {} : { pages }),
    };
  }

  #explain(request: OperationRequest<'explain'>): Body<OperationReply<'explain'>> {
    const { clock, journal, actors } = this.#env;
    const rows = (name: string) => [...(this.#sender?.rows(name) ?? []), ...(this.#receiver?.rows(name) ?? [])];
    const explanations = explain({ clock, journal, actors, store: this.#receiver?.details, rows }, request);
    return { ...this.#clockReading(), explanations };
  }

  /** Who says so, and what its clock shows. */
  #clockReading(): { agent: string; epoch: string; nowMs: number } {
    const { options, clock } = this.#env;
    return { agent: options.agent, epoch: this.epoch, nowMs: clock.now() };
  }

  #beat(leaving: boolean): void {
    const { options, control, logger } = this.#env;
    const { agent, role, heartbeatMs } = options;
    this.#env.presence.beat();
    const beat: Heartbeat = { v: PROTOCOL_VERSION, agent, epoch: this.epoch, role, heartbeatMs, leaving };
    try {
      control.publish(subjects.heartbeat(agent), JSON.stringify(beat));
    } catch (error) {
      logger.warn({ err: error }, 'heartbeat not sent');
    }
  }

  /** Runs `work` every `intervalMs`, until the agent closes. */
  #every(intervalMs: number, work: () => void): void {
    const { clock } = this.#env;
    const slot = this.#timers.length;
    const tick = () => {
      this.#timers[slot] = clock.setTimeout(tick, intervalMs);
      work();
    };
    this.#timers[slot] = clock.setTimeout(tick, intervalMs);
  }
}
