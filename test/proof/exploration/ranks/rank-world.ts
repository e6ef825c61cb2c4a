/** The world of requests over two ranks that wait for pages. It shows whether two requests can wait for each other. */
import { cancelled } from '../failures.js';
import { type FaultKind, struckKinds } from '../faults.js';
import { STORE_OPTIONS, StoreLog } from '../store-log.js';
import type { Step, World } from '../world.js';
import * as lead from './lead-stand-in.js';
import { RankDigests } from './rank-digests.js';
import {
  grantOf,
  nameOfRank,
  type Rank,
  type RankConfiguration,
  type RankMessage,
  type RankState,
} from './rank-state.js';
import { RankTurn } from './rank-turn.js';

interface RankStep extends Step {
  run(turn: RankTurn): void;
}

export interface RankVariant {
  /** Plants a defect: ranks get pages without a turn. */
  readonly skipsTurns?: boolean;
}

export function rankWorld(
  configuration: RankConfiguration,
  { skipsTurns = false }: RankVariant = {},
): World<RankState, RankStep> {
  const log = new StoreLog({ ...STORE_OPTIONS, pages: configuration.pagesPerArena });
  const stage = { configuration, log, lead, skipsTurns };
  const digests = new RankDigests();
  return {
    first: initialState(configuration, log),
    steps: (state) => stepsOf(state, configuration),
    follow: (state, step) => {
      const turn = new RankTurn(state, stage);
      step.run(turn);
      return withoutInert(turn.end());
    },
    digest: (state) => digests.of(state),
    faultOf,
    faultAtRest: (state) => faultAtRest(state, configuration),
    struck: ({ budget }): readonly FaultKind[] => struckKinds(configuration.budget, budget),
  };
}

/** Every rank has been put. */
function initialState(configuration: RankConfiguration, log: StoreLog): RankState {
  const { agentOfRank, requests, budget } = configuration;
  const stores = [...new Set(agentOfRank)].sort().map((agent) => {
    let store = log.empty();
    for (const [rank, its] of agentOfRank.entries()) {
      if (its === agent) store = log.execute(store, { type: 'grant', grant: grantOf(rank), epoch: `e${rank}` }).node;
    }
    return store;
  });
  const announced = Object.fromEntries(requests.map((request) => [request, []]));
  const nothing = {
    reported: [],
    unanswered: [],
    informed: [],
    again: [],
    dead: [],
    lost: [],
    struck: [],
  };
  const messages = ranksOf(configuration).map((it): RankMessage => ({ kind: 'allocate', ...it }));
  return { stores, groups: {}, ingests: {}, ...nothing, messages, announced, budget, fault: null };
}

function ranksOf({ requests, agentOfRank }: RankConfiguration): Rank[] {
  return requests.flatMap((request) => agentOfRank.map((_, rank) => ({ request, rank })));
}

class RankSteps {
  readonly all: RankStep[] = [];
  readonly #state: RankState;

  constructor(state: RankState) {
    this.#state = state;
  }

  add(name: string, run: RankStep['run']): void {
    this.all.push({ name, isFault: false, run });
  }

  /** Adds a fault, if the budget allows one. Afterwards these requests may end otherwise than ready. */
  strike(kind: FaultKind, requests: readonly string[], name: string, run: RankStep['run']): void {
    if (this.#state.budget[kind] === 0) return;
    const spend = (turn: RankTurn) => {
      const { budget, struck } = turn.state;
      turn.state.budget = { ...budget, [kind]: budget[kind] - 1 };
      turn.state.struck = [...new Set([...struck, ...requests])].sort();
      run(turn);
    };
    this.all.push({ name, isFault: true, run: spend });
  }
}

function stepsOf(state: RankState, configuration: RankConfiguration): RankStep[] {
  const steps = new RankSteps(state);
  for (const it of ranksOf(configuration)) addRankSteps(steps, state, it);
  for (const rank of configuration.agentOfRank.keys()) addSenderSteps(steps, state, configuration, rank);
  for (const [request, group] of Object.entries(state.groups)) {
    if (!group.matches('open')) continue;
    steps.strike('cancel', [request], `${request} is cancelled`, (turn) =>
      turn.toGroup(request, { type: 'group.end', end: 'cancelled', failure: cancelled }),
    );
    const expire = (turn: RankTurn) => turn.toGroup(request, { type: 'xstate.after.deadline.group.open' });
    const name = `the time of ${request} is over at its lead`;
    // A rank whose sender has died may never come.
    if (state.dead.length > 0) steps.add(name, expire);
    else steps.strike('timeout', [request], name, expire);
  }
  addMessageSteps(steps, state);
  return steps.all;
}

function addRankSteps(steps: RankSteps, state: RankState, it: Rank): void {
  const name = nameOfRank(it);
  const ingest = state.ingests[name];
  if (ingest?.matches('running') === true) {
    steps.strike('timeout', [it.request], `the time of ${name} is over at its receiver`, (turn) =>
      turn.toIngest(it, { type: 'xstate.after.deadline.ingest.running' }),
    );
  }
  if (ingest?.matches('ready') === true && state.announced[it.request]?.includes('ready') === true) {
    steps.add(`${name} is read and released`, (turn) => turn.release(it));
  }
}

function addSenderSteps(steps: RankSteps, state: RankState, { requests }: RankConfiguration, rank: number): void {
  if (!state.dead.includes(rank)) {
    steps.strike('crash', requests, `the sender of rank ${rank} is killed`, (turn) => {
      turn.state.dead = [...turn.state.dead, rank].sort();
    });
  } else if (!state.lost.includes(rank)) {
    steps.add(`the receiver declares the sender of rank ${rank} dead`, (turn) => turn.lose(rank));
  }
}

function addMessageSteps(steps: RankSteps, { messages, again, budget }: RankState): void {
  for (const [index, message] of messages.entries()) {
    const words = wordsOf(message);
    const take = (turn: RankTurn) => {
      turn.state.messages = turn.state.messages.toSpliced(index, 1);
    };
    steps.add(`${words} arrives`, (turn) => {
      take(turn);
      turn.deliver(message);
    });
    steps.strike('duplicate', [], `${words} arrives, and will once more`, (turn) => turn.deliver(message));
    if (budget.loss === 0) continue;
    steps.strike('loss', [], `${words} is lost`, (turn) => {
      take(turn);
      turn.state.again = [...turn.state.again, message];
    });
  }
  for (const [index, message] of again.entries()) {
    steps.add(`${wordsOf(message)} again`, (turn) => {
      turn.state.again = again.toSpliced(index, 1);
      turn.send(message);
    });
  }
}

function wordsOf(message: RankMessage): string {
  if (message.kind === 'admit') return `the turn of ${message.request} at agent ${message.to}`;
  const name = nameOfRank(message);
  switch (message.kind) {
    case 'report':
      return `the report of ${name} (${message.state})`;
    case 'verdict':
      return `the verdict for ${name} (${message.end})`;
    case 'prepared':
      return `prepared ${name} (${message.ok ? 'yes' : 'no'})`;
    default:
      return `${message.kind} ${name}`;
  }
}

/** The state without messages to or from a sender that is dead, and without answers that the lead does not wait for. */
function withoutInert(state: RankState): RankState {
  const { dead, unanswered } = state;
  const isAlive = (message: RankMessage) => {
    if (message.kind === 'prepared' || message.kind === 'informed') return unanswered.includes(nameOfRank(message));
    return message.kind !== 'allocate' || !dead.includes(message.rank);
  };
  const messages = state.messages.filter(isAlive);
  return messages.length === state.messages.length ? state : { ...state, messages };
}

function faultOf({ fault, stores, announced }: RankState): string | undefined {
  if (fault !== null) return fault;
  for (const store of stores) if (store.broken !== undefined) return store.broken;
  for (const [request, ends] of Object.entries(announced)) {
    if (ends.length > 1) return `${request} was announced ${ends.join(', then ')}`;
  }
  return undefined;
}

function faultAtRest(state: RankState, configuration: RankConfiguration): string | undefined {
  const waiting = ranksOf(configuration).filter((it) => state.ingests[nameOfRank(it)]?.status === 'active');
  if (waiting.length > 0) return `these ranks wait for ever: ${waiting.map(nameOfRank).join(', ')}`;
  for (const [request, ends] of Object.entries(state.announced)) {
    const isKnown = ranksOf(configuration).some((it) => it.request === request && nameOfRank(it) in state.ingests);
    if (isKnown && ends.length === 0) return `no end of ${request} was announced`;
    if (!state.struck.includes(request) && ends[0] !== 'ready')
      return `${request} has ended ${ends[0]} without a fault`;
  }
  for (const { description } of state.stores) {
    if (description.pages.some((page) => page.state !== 'free')) return 'a page is not free at the end';
  }
  return undefined;
}
