/** One agent: starts and stops its parts, and sends its heartbeats. */
import type { Logger } from 'pino';
import { type Actor, createActor } from 'xstate';
import { type AgentEffects, agentMachine } from '../../../machines/agent.js';
import type { ClockPort } from '../../ports/clock.js';
import type { ControlPort, ControlSubscription } from '../../ports/control.js';
import type { SealedFabric } from '../../ports/sealed-fabric.js';
import { toFailure } from '../../protocol/codec.js';
import type { Failure } from '../../protocol/fields.js';
import type { DescribeReply } from '../../protocol/operations.js';
import type { Heartbeat } from '../../protocol/peer-messages.js';
import { subjects } from '../../protocol/subjects.js';
import { type AgentEnv, makeEnv } from '../env/agent-env.js';
import type { AgentOptions } from '../env/agent-options.js';
import { publishEvent } from '../env/publish-event.js';
import { atMost } from '../env/timers.js';
import { LivingAgents } from '../living/living-agents.js';
import { AuditPublisher } from '../observing/audit-publisher.js';
import type { Journal } from '../observing/journal.js';
import type { Tracer } from '../observing/tracer.js';
import { Receiver, type StoreInspection } from '../receiving/receiver.js';
import { Owners, tell } from '../running/owners.js';
import { Sender } from '../sending/sender.js';
import type { AgentParts } from './agent-parts.js';
import { Name } from './name.js';
import { RepeatedWork } from './repeated-work.js';
import { type Overview, overview } from './status.js';
import { serveName, serveProcess } from './subjects.js';

export interface AgentPorts {
  readonly control: ControlPort;
  readonly fabric: SealedFabric;
  readonly clock: ClockPort;
  readonly logger: Logger;
  /** Random 64 bits as 16 hexadecimal digits. */
  newEpoch(): string;
  /** Version of the program. */
  readonly version: string;
  /** Follows requests as traces; undefined when tracing is off. */
  readonly tracer?: Tracer | undefined;
}

export interface AgentEnd {
  /** Why the agent fenced itself; null when it was ordered to stop. */
  readonly fenced: Failure | null;
}

/** Time for connections, remote keys, arena and NATS to close, after the last writes have drained. */
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
  readonly #living: LivingAgents;
  readonly #name: Name;
  readonly #parts: AgentParts;
  readonly #actor: Actor<typeof agentMachine>;
  readonly #sender: Sender | undefined;
  readonly #receiver: Receiver | undefined;
  readonly #audit: AuditPublisher | undefined;
  /** What engines, routers and operators send to the name comes by these. */
  readonly #named: ControlSubscription[] = [];
  #process: ControlSubscription | undefined;
  /** Nothing arrives any more, and no engine reads or releases pages. */
  #isReceiverIdle = false;
  readonly #work: RepeatedWork;
  #resolveEnded: (how: AgentEnd) => void = () => undefined;
  /** Resolves when the agent has stopped. */
  readonly ended = new Promise<AgentEnd>((resolve) => {
    this.#resolveEnded = resolve;
  });

  constructor(options: AgentOptions, ports: AgentPorts) {
    this.epoch = ports.newEpoch();
    const { clock, version } = ports;
    const startedMs = clock.now();
    const { agent, role } = options;
    // The actor that found the reason must finish its turn first.
    const fence = (failure: Failure) => {
      clock.setTimeout(() => tell(this.#actor, { type: 'agent.fence', failure }), 0);
    };
    const parts = makeEnv(ports, options, this.epoch, fence);
    this.#living = new LivingAgents(parts);
    const env: AgentEnv = { ...parts, living: this.#living };
    const sender = role === 'decode' ? undefined : new Sender(env);
    const receiver = role === 'prefill' ? undefined : new Receiver(env);
    this.#env = env;
    this.#name = new Name(env, { taken: fence });
    this.#living.onTwin((beat) => this.#noticeTwin(beat));
    this.#sender = sender;
    this.#receiver = receiver;
    const yieldName = () => this.#yieldName();
    this.#parts = { env, version, startedMs, sender, receiver, state: () => this.state, yieldName };
    this.#work = new RepeatedWork(clock);
    this.#audit = options.auditIntervalMs > 0 ? this.#makeAudit() : undefined;
    const input = { drainTimeoutMs: options.shutdownTimeoutMs, closeTimeoutMs: this.#closeTimeoutMs };
    this.#actor = createActor(logic, { id: `agent ${agent}`, input, clock });
    owners.start(this.#actor, this, {
      task: { about: {} },
      actors: env.actors,
      onError: (error) => this.#crashed(error),
    });
    this.#actor.subscribe({ complete: () => this.#stopped() });
  }

  /** Resolves when the agent serves. When it cannot, closes everything again and rejects. */
  async start(): Promise<void> {
    try {
      const intervalMs = await this.#name.claim(this.#env.options.shutdownTimeoutMs + this.#closeTimeoutMs);
      await this.#receiver?.open();
      await this.#sender?.memory.open();
      this.#living.line.subscribe(intervalMs);
      this.#process = serveProcess(this.#parts);
      this.#named.push(...serveName(this.#parts));
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

  /** Takes no new requests, lets those in progress end, and closes everything, the ports included. Bounded; idempotent. */
  async stop(): Promise<void> {
    tell(this.#actor, { type: 'agent.drain' });
    await this.ended;
  }

  /** Reports every event of the agent when it happens. */
  get journal(): Pick<Journal, 'onEvent'> {
    return this.#env.journal;
  }

  /** Reports when the agent is cut off from NATS, and when no longer. */
  onLine(listener: (isUp: boolean) => void): void {
    this.#living.onLine(listener);
  }

  get state(): DescribeReply['state'] {
    const state = this.#actor.getSnapshot().value;
    return state === 'closing' ? 'draining' : (state as DescribeReply['state']);
  }

  /** Whether another process has answered under the name of the agent for more than three heartbeats. */
  get hasLastingTwin(): boolean {
    return this.#name.hasLastingTwin;
  }

  /** For metrics. */
  overview(): Overview {
    return overview(this.#parts);
  }

  /** The whole store of an agent that receives. For checks: the time it takes grows with the arena. */
  inspectStore(): StoreInspection | undefined {
    return this.#receiver?.inspectStore();
  }

  // --- effects of the machine ---------------------------------------------------------------------------------------

  beginHeartbeats(): void {
    const { heartbeatMs, sweepIntervalMs, auditIntervalMs } = this.#env.options;
    this.#living.line.start();
    this.#living.line.beat();
    this.#work.every(heartbeatMs, () => this.#living.line.beat());
    this.#watchForPauses();
    this.#work.every(sweepIntervalMs, () => {
      this.#sender?.sweep(this.#env.clock.now());
      this.#receiver?.sweep();
    });
    if (auditIntervalMs > 0) this.#work.every(auditIntervalMs, () => this.#audit?.publish());
  }

  async watchForIdle(): Promise<void> {
    this.#env.logger.info('agent draining');
    this.#living.line.drain();
    this.#sender?.stopAccepting();
    this.#receiver?.stopAccepting();
    const received = this.#receiver?.idle() ?? Promise.resolve();
    void received.then(() => {
      this.#isReceiverIdle = true;
    });
    await Promise.all([this.#sender?.idle(), received]);
    this.#actor.send({ type: 'agent.idle' });
  }

  cancelRequests(): void {
    const failure: Failure = { code: 'agent_draining', message: `agent ${this.#env.options.agent} has stopped` };
    this.#env.logger.warn('requests in progress given up');
    this.#sender?.cancelAll(failure);
    this.#receiver?.cancelAll(failure);
  }

  async fence(failure: Failure | null): Promise<void> {
    const reason: Failure = failure ?? { code: 'agent_fenced', message: 'no reason was given' };
    this.#env.logger.fatal({ reason: reason.message }, 'agent fences itself');
    this.#sender?.stopAccepting();
    this.#sender?.cancelAll(reason);
    await this.#receiver?.fence(reason);
    tell(this.#actor, { type: 'agent.fenced' });
  }

  async close(): Promise<void> {
    const { control, fabric, clock, logger, options } = this.#env;
    try {
      // The peers must still learn of requests that were given up just now, or agree to their ends.
      const settled = Promise.all([this.#sender?.idle(), this.#receiver?.decided()]);
      await atMost(clock, options.writeDrainTimeoutMs, settled);
      // The last heartbeat proves that this agent announces nothing any more.
      this.#sender?.mute();
      this.#receiver?.close();
      this.#living.line.beat(true);
      this.#work.stop();
      this.#living.stop();
      this.#audit?.publish();
      this.#giveUpName();
      this.#process?.close();
      await this.#sender?.close();
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
    this.#env.logger.error({ timeoutMs: this.#closeTimeoutMs }, 'agent did not close in time');
  }

  ignored(event: string): void {
    this.#env.logger.debug({ event }, 'event ignored');
  }

  // -------------------------------------------------------------------------------------------------------------------

  #watchForPauses(): void {
    const sender = this.#sender;
    if (sender === undefined) return;
    sender.tick();
    this.#work.every(sender.tickMs, () => sender.tick());
  }

  #makeAudit(): AuditPublisher {
    const { options, epoch, clock, control, journal } = this.#env;
    const { agent } = options;
    return new AuditPublisher({ agent, epoch, clock, journal, control }, (event) =>
      publishEvent(this.#env, subjects.audit(agent), event),
    );
  }

  /**
   * A draining agent gives its name up as soon as no engine needs it to read or release pages. It may still read the memory of
   * engines: its heartbeats tell its successor that it is not alone.
   */
  #yieldName(): boolean {
    if (this.state === 'fencing' || (this.state === 'draining' && this.#isReceiverIdle)) this.#giveUpName();
    return this.#named.length === 0;
  }

  #giveUpName(): void {
    for (const subscription of this.#named.splice(0)) subscription.close();
  }

  #noticeTwin(beat: Heartbeat): void {
    // It took the name while this process was silent.
    if (this.state === 'draining' && !beat.draining && !beat.leaving) this.#giveUpName();
    if (this.state !== 'running') return;
    const { ageMs } = this.#living.line;
    this.#name.noticed(beat, ageMs).catch((error: unknown) => {
      this.#env.logger.error({ err: error }, 'cannot tell whether another process has this name');
    });
  }

  #stopped(): void {
    const { status, output } = this.#actor.getSnapshot();
    if (status === 'done') this.#resolveEnded(output ?? { fenced: null });
  }

  get #closeTimeoutMs(): number {
    return this.#env.options.writeDrainTimeoutMs + CLOSE_TIMEOUT_MS;
  }

  /** The agent's own machine threw, so nothing runs its effects any more: fence and close without it. */
  #crashed(error: unknown): void {
    const failure = toFailure(error);
    this.#env.logger.fatal({ err: error }, 'agent actor failed');
    const giveUp = async () => {
      await this.fence(failure);
      await this.close();
    };
    void atMost(this.#env.clock, this.#closeTimeoutMs, giveUp()).finally(() => this.#resolveEnded({ fenced: failure }));
  }
}
