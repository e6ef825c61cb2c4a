/** The initial state: all senders are connected to the receiver, and no batch has been put. */
import { type AnyStateMachine, initialTransition } from 'xstate';
import { requestMachine } from '../../../machines/request.js';
import { type Configuration, grantOf, requestOf } from './configuration.js';
import { NO_BYTES, type RequestSnapshot, type Sender, type State } from './state.js';
import type { StoreLog } from './store-log.js';

export function initialState(configuration: Configuration, log: StoreLog): State {
  const senders = configuration.batches.map((batches, sender): Sender => {
    const { request, epoch } = requestOf(sender);
    const receiver = configuration.offered?.includes(sender) === true ? null : 'd';
    const input = { request, epoch, receiver, totalChunks: batches.flat().length };
    const timing = { timeoutMs: 1, inquireIntervalMs: 1, tombstoneMs: 1, hasRanks: false };
    const [snapshot] = initialTransition(requestMachine as AnyStateMachine, { ...input, ...timing } as never);
    return {
      request: snapshot as RequestSnapshot,
      transfers: {},
      connection: 0,
      parts: {},
      reconnects: false,
      again: [],
      offers: [],
      undrained: [],
      gaveUp: false,
      proof: false,
      asked: {},
    };
  });
  let store = log.empty();
  for (const sender of senders.keys()) {
    const grant = { type: 'grant', grant: grantOf(sender, 0), epoch: requestOf(sender).epoch } as const;
    store = log.execute(store, grant).node;
  }
  return {
    store,
    senders,
    ingests: senders.map(() => null),
    lost: senders.map(() => false),
    unwatched: senders.map(() => false),
    receiverDied: false,
    messages: [],
    unanswered: [],
    unnoticed: [],
    pending: [],
    writes: [],
    revoked: [],
    arena: Array.from({ length: configuration.pages }, () => NO_BYTES),
    announced: senders.map(() => []),
    struck: senders.map(() => false),
    budget: configuration.budget,
    fault: null,
  };
}
