/**
 * A recording as a source of the inspector. The recorded agent runs again, step by step, and answers the inspector's
 * questions after each step as a live agent does. Only this agent is visible; other agents appear as it saw them.
 */
import { basename } from 'node:path';
import type { ActorView, AgentView, EntryView, ExplanationView, SourceView } from '../../observe/inspector/feed.js';
import { History } from '../../observe/inspector/history/history.js';
import { ratesBetween } from '../../observe/inspector/rates.js';
import {
  type ActorQuery,
  type ExplainQuery,
  matchesActor,
  questionOf,
  type Source,
} from '../../observe/inspector/source.js';
import { readRecording } from '../../observe/replay/read-recording.js';
import type { Recording } from '../../observe/replay/recording.js';
import { ReplayedLife } from '../../observe/replay/replayed-life.js';
import { isKvferryError } from '../../protocol/errors.js';
import type { DescribeReply, StatusReply } from '../../protocol/operations.js';

/** Number of views kept over the recorded time. */
const VIEWS = 900;
const VIEW_INTERVAL_MS_MIN = 1;
/** Most entries kept of a recording, newest first. */
const HAPPENINGS_MAX = 1_000_000;
/** Up to this step, the agent runs again to answer questions about the past. Later, only the collected answers are shown. */
const REVISITED_STEPS_MAX = 50_000;
/** Time that a question waits for the run of the recording. */
const READY_TIMEOUT_MS = 2000;
/** Interval of progress notices to viewers. */
const TELL_INTERVAL_MS = 200;

export class RecordingSource implements Source {
  readonly history: History;
  readonly #recording: Recording;
  readonly #name: string;
  readonly #life: ReplayedLife;
  /** The difference between the time since 1970 and the agent's clock. */
  readonly #originMs: number;
  readonly #viewIntervalMs: number;
  readonly #reading: Promise<void>;
  #state: SourceView['state'] = 'connecting';
  #isClosed = false;
  #nowMs: number;
  #next = 0;
  #description: DescribeReply | undefined;
  #lastView: AgentView | undefined;
  #revisited: { readonly life: ReplayedLife; step: number } | undefined;
  /** Runs visits to the past one at a time. */
  #visit: Promise<unknown> = Promise.resolve();

  /** Rejects `invalid_configuration` as `readRecording` does. The content grows while the recording runs. */
  static async open(path: string): Promise<RecordingSource> {
    return new RecordingSource(await readRecording(path), basename(path));
  }

  constructor(recording: Recording, name: string) {
    const { recordedAt, atMs } = recording.header;
    this.#recording = recording;
    this.#name = name;
    this.#originMs = Date.parse(recordedAt) - atMs;
    this.#nowMs = atMs + this.#originMs;
    const lengthMs = (recording.steps.at(-1)?.atMs ?? atMs) - atMs;
    this.#viewIntervalMs = Math.max(VIEW_INTERVAL_MS_MIN, lengthMs / VIEWS);
    this.history = new History({ happeningsMax: HAPPENINGS_MAX, viewIntervalMs: this.#viewIntervalMs });
    this.#life = new ReplayedLife(recording);
    this.#reading = this.#read();
    // `ready` reports a failure.
    this.#reading.catch(() => undefined);
  }

  /** The recording runs with or without viewers. */
  watch(): { close(): void } {
    return { close: () => undefined };
  }

  async ready(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, READY_TIMEOUT_MS);
    });
    await Promise.race([this.#reading, late]);
    clearTimeout(timer);
  }

  async actors(query: ActorQuery, atMs?: number): Promise<ActorView[]> {
    const told = () => this.history.actors(atMs ?? this.#nowMs);
    const rows = await this.#ask(atMs, actorsOf, told);
    return rows.filter((row) => matchesActor(row, query));
  }

  async explain({ about, name, agent }: ExplainQuery, atMs?: number): Promise<ExplanationView[]> {
    const question = questionOf(about, name);
    const explained = (life: ReplayedLife) => answerOf(() => life.ask('explain', question));
    const reply = await this.#ask(atMs, explained, () => undefined);
    if (reply === undefined || (agent !== undefined && reply.agent !== agent)) return [];
    return reply.explanations.map((explanation) => ({ ...explanation, agent: reply.agent, nowMs: reply.nowMs }));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#reading;
  }

  async #read(): Promise<void> {
    let toldMs = performance.now();
    let untold: EntryView[] = [];
    const tell = () => {
      this.history.addEntries(untold);
      untold = [];
      this.#show();
    };
    try {
      for (let step = await this.#life.next(); step !== undefined; step = await this.#life.next()) {
        if (this.#isClosed) return;
        this.#nowMs = step.recorded.atMs + this.#originMs;
        untold.push(...this.#entries());
        const isDue = this.#nowMs - (this.#lastView?.timeMs ?? 0) >= this.#viewIntervalMs;
        if (isDue && step.status !== undefined) this.#look(step.status);
        if (isDue || performance.now() - toldMs >= TELL_INTERVAL_MS) {
          tell();
          toldMs = performance.now();
        }
      }
      const status = answerOf(() => this.#life.ask('status', { lists: ['segments', 'sessions', 'peers'] }));
      if (status !== undefined) this.#look(status);
      this.#state = 'connected';
    } catch (error) {
      this.#state = 'disconnected';
      throw error;
    } finally {
      tell();
    }
  }

  #entries(): EntryView[] {
    const { agent } = this.#recording.header.options;
    const entries: EntryView[] = [];
    for (;;) {
      const reply = answerOf(() => this.#life.ask('journal', { from: this.#next }));
      if (reply === undefined) return entries;
      this.#next = reply.next;
      for (const entry of reply.entries) {
        entries.push({ agent, agentEpoch: reply.epoch, timeMs: entry.atMs + this.#originMs, entry });
      }
      if (reply.next === reply.end) return entries;
    }
  }

  #look(status: StatusReply): void {
    this.#description = answerOf(() => this.#life.ask('describe', {})) ?? this.#description;
    const inspected = answerOf(() => this.#life.ask('inspect', { actors: 0, pages: true }));
    if (this.#description === undefined) return;
    const before = this.#lastView;
    const elapsedMs = this.#nowMs - (before?.timeMs ?? this.#nowMs);
    this.#lastView = {
      agent: status.agent,
      epoch: status.epoch,
      timeMs: this.#nowMs,
      description: this.#description,
      status: { ...status, requests: [] },
      ...(inspected?.pages === undefined ? {} : { pages: inspected.pages }),
      rates: ratesBetween(before?.status.counters, status.counters, elapsedMs),
    };
  }

  #show(): void {
    const source: SourceView = {
      kind: 'recording',
      name: this.#name,
      state: this.#state,
      fromMs: this.#recording.header.atMs + this.#originMs,
      toMs: this.#nowMs,
      oneIn: 1,
      missed: 0,
      faultsAllowed: false,
    };
    const agents = this.#lastView === undefined ? [] : [this.#lastView];
    this.history.addCluster({ timeMs: this.#nowMs, source, agents });
  }

  /** Asks the agent in its state at that time; `otherwise` when that step is too far away. */
  async #ask<T>(atMs: number | undefined, ask: (life: ReplayedLife) => T, otherwise: () => T): Promise<T> {
    if (atMs === undefined) return ask(this.#life);
    const { steps } = this.#recording;
    const after = steps.findIndex((step) => step.atMs + this.#originMs > atMs);
    const step = after < 0 ? steps.length - 1 : after - 1;
    if (step > REVISITED_STEPS_MAX) return otherwise();
    const visit = this.#visit.then(async () => ask(await this.#revisit(step)));
    this.#visit = visit.catch(() => undefined);
    return visit;
  }

  async #revisit(step: number): Promise<ReplayedLife> {
    if (this.#revisited === undefined || this.#revisited.step > step) {
      this.#revisited = { life: new ReplayedLife(this.#recording), step: -1 };
    }
    const { life } = this.#revisited;
    while (this.#revisited.step < step && (await life.next()) !== undefined) this.#revisited.step += 1;
    return life;
  }
}

function actorsOf(life: ReplayedLife): ActorView[] {
  const reply = answerOf(() => life.ask('inspect', {}));
  return (reply?.actors ?? []).map((actor) => ({
    ...actor,
    agent: reply?.agent ?? '',
    agentEpoch: reply?.epoch ?? '',
  }));
}

/** Undefined when the agent refuses, for example because it has fenced itself. */
function answerOf<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (isKvferryError(error)) return undefined;
    throw error;
  }
}
