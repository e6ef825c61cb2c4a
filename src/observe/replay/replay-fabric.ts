/** The fabric port of a replay. It moves no bytes. */
import type {
  ArenaOptions,
  DeviceMemory,
  FabricConnection,
  FabricEndpoint,
  FabricWrite,
  Provider,
  SegmentFile,
  SegmentSource,
  UnavailableProvider,
  WriteItem,
} from '../../ports/fabric.js';
import type { Recipient, SealedFabric, SealedGrant } from '../../ports/sealed-fabric.js';
import { defined } from '../../protocol/defined.js';
import type { FabricOffer, Header } from '../recording/record.js';
import { rowsOf } from '../recording/recording-fabric.js';
import type { Foresight } from './foresight.js';
import type { Questions } from './questions.js';
import type { ReplayTurn } from './replay-turn.js';

export class ReplayFabric implements SealedFabric {
  readonly publicKey: string;
  readonly #turn: ReplayTurn;
  readonly #questions: Questions;
  readonly #foresight: Foresight;
  #offer: FabricOffer;

  constructor(turn: ReplayTurn, questions: Questions, foresight: Foresight, { publicKey, offer }: Header) {
    this.publicKey = publicKey;
    this.#turn = turn;
    this.#questions = questions;
    this.#foresight = foresight;
    this.#offer = offer;
  }

  endpoints(): readonly FabricEndpoint[] {
    return this.#offer.endpoints;
  }

  unavailable(): readonly UnavailableProvider[] {
    return this.#offer.unavailable;
  }

  unreachable(endpoint: FabricEndpoint): string | undefined {
    const { reachable, reason } = this.#foresight.reach(endpoint);
    this.#turn.note({ out: 'reach', endpoint, reachable, ...defined({ reason }) });
    return reachable ? undefined : (reason ?? 'this agent cannot reach the endpoint');
  }

  async createArena(options: ArenaOptions): Promise<DeviceMemory | undefined> {
    this.#offer = await this.#questions.ask('arena', { ...options }).answer;
    return this.#offer.memory;
  }

  arenaLost(): Promise<string> {
    return this.#questions.ask('arena.lost', {}).answer;
  }

  async grant(provider: Provider, recipient: Recipient): Promise<SealedGrant> {
    return this.#questions.ask('grant', { provider, recipient }).answer;
  }

  async revoke(grantId: string): Promise<void> {
    return this.#questions.ask('revoke', { grant: grantId }).answer;
  }

  async attachSegment(name: string, source: SegmentSource): Promise<SegmentFile> {
    return this.#questions.ask('attach', { name, path: source }).answer;
  }

  async identify(source: SegmentSource): Promise<SegmentFile | undefined> {
    return this.#questions.ask('identify', { path: source }).answer;
  }

  async createSegment(name: string, path: string, bytes: number): Promise<void> {
    return this.#questions.ask('segment', { name, path, bytes }).answer;
  }

  async detachSegment(name: string): Promise<void> {
    return this.#questions.ask('detach', { name }).answer;
  }

  async connect(
    endpoint: FabricEndpoint,
    grant: SealedGrant,
    options: { timeoutMs: number; about: string },
  ): Promise<FabricConnection> {
    const { name, answer } = this.#questions.ask('connect', { endpoint, grant, ...options });
    const { provider, detail } = await answer;
    return new ReplayConnection(name, { provider, detail }, this.#turn, this.#questions);
  }

  async close(): Promise<void> {
    return this.#questions.ask('close', {}).answer;
  }
}

class ReplayConnection implements FabricConnection {
  readonly provider: Provider;
  readonly detail: string;
  readonly #name: string;
  readonly #turn: ReplayTurn;
  readonly #questions: Questions;
  /** Writes that the recording lacks. */
  readonly #unrecorded = new Set<string>();

  constructor(name: string, made: { provider: Provider; detail: string }, turn: ReplayTurn, questions: Questions) {
    this.provider = made.provider;
    this.detail = made.detail;
    this.#name = name;
    this.#turn = turn;
    this.#questions = questions;
  }

  write(items: readonly WriteItem[]): FabricWrite {
    const args = { connection: this.#name, items: rowsOf(items) };
    const { name: question, isRecorded, answer: done } = this.#questions.ask('write', args);
    if (!isRecorded) this.#unrecorded.add(question);
    return {
      done,
      stop: () => {
        this.#turn.note({ out: 'write.stop', question });
        if (!isRecorded) this.#questions.answer(question, { status: 'stopped', bytes: 0, drained: true }, undefined);
      },
    };
  }

  async close(): Promise<void> {
    const lost = {
      status: 'failed',
      bytes: 0,
      drained: true,
      code: 'connection_lost',
      message: 'the connection was closed',
    };
    for (const question of this.#unrecorded) this.#questions.answer(question, lost, undefined);
    return this.#questions.ask('disconnect', { connection: this.#name }).answer;
  }
}
