/** The steps of a request at its sender and at the receiver, apart from those of messages and writes. */
import { type Configuration, grantOf, requestOf } from './configuration.js';
import { broken, cancelled, reasonOf } from './failures.js';
import { crash, reconnect } from './sender-stand-in.js';
import type { RequestSnapshot, Sender } from './state.js';
import type { Steps } from './step.js';
import { endOf } from './turn.js';

export function addRequestSteps(steps: Steps, { batches }: Configuration, sender: number): void {
  const its = steps.state.senders[sender] as Sender;
  if (its.request === null) addLossOfSender(steps, sender, its.connection);
  else if (its.request.status === 'active') addSenderSteps(steps, sender, its.request, batches[sender] ?? []);
  const { request } = requestOf(sender);
  if (its.reconnects) steps.add(`the sender of ${request} connects again`, (turn) => reconnect(turn, sender));
  for (const [batch, transfer] of Object.entries(its.transfers)) {
    if (transfer.value !== 'draining') continue;
    steps.strike('timeout', sender, `batch ${batch} of ${request} does not drain in time`, (turn) =>
      turn.toTransfer(sender, Number(batch), { type: 'xstate.after.drainTimeout.transfer.draining' }),
    );
  }
  addReceiverSteps(steps, sender);
}

/** The receiver declares a crashed sender dead, and then revokes its remote key. */
function addLossOfSender(steps: Steps, sender: number, connection: number): void {
  const { request } = requestOf(sender);
  const grant = grantOf(sender, connection);
  if (!steps.state.lost[sender]) {
    steps.add(`the receiver holds the sender of ${request} for lost`, (turn) => {
      turn.state.lost = turn.state.lost.with(sender, true);
      turn.toIngest(sender, { type: 'end.refused', failure: broken });
      turn.toIngest(sender, { type: 'ingest.end', end: 'failed', failure: broken });
    });
  } else if (steps.state.store.description.grants.includes(grant)) {
    steps.add(`the remote key of the sender of ${request} is revoked`, (turn) => turn.fence(grant));
  }
}

function addSenderSteps(
  steps: Steps,
  sender: number,
  snapshot: RequestSnapshot,
  batches: readonly (readonly string[])[],
): void {
  const { state } = steps;
  const { request } = requestOf(sender);
  const { batches: put, lastIn } = snapshot.context;
  const keys = batches[put];
  if (snapshot.matches({ running: 'open' }) && !lastIn && keys !== undefined) {
    const last = put === batches.length - 1;
    steps.add(`batch ${put} of ${request} is put`, (turn) =>
      turn.toRequest(sender, { type: 'batch.added', batch: put, chunks: keys.length, last }),
    );
  }
  steps.strike('crash', sender, `the sender of ${request} is killed`, (turn) => crash(turn, sender));
  if (!snapshot.matches('running') || put === 0) return;
  steps.strike('cancel', sender, `${request} is cancelled at its sender`, (turn) =>
    turn.toRequest(sender, { type: 'request.cancel', failure: cancelled }),
  );
  steps.strike('timeout', sender, `the time of ${request} is over at its sender`, (turn) =>
    turn.toRequest(sender, { type: 'xstate.after.deadline.request.running' }),
  );
  const end = state.unnoticed.includes(sender) && lastIn ? endOf(state, sender) : undefined;
  if (end === undefined) return;
  steps.add(`the sender asks how ${request} ended`, (turn) => {
    turn.state.unnoticed = turn.state.unnoticed.filter((other) => other !== sender);
    turn.toRequest(sender, { type: 'request.ended', end, failure: reasonOf(end) });
  });
}

function addReceiverSteps(steps: Steps, sender: number): void {
  const ingest = steps.state.ingests[sender];
  if (ingest?.status !== 'active') return;
  const { request } = requestOf(sender);
  if (ingest.matches('running')) {
    steps.strike('cancel', sender, `${request} is cancelled at the receiver`, (turn) =>
      turn.toIngest(sender, { type: 'ingest.end', end: 'cancelled', failure: cancelled }),
    );
    steps.strike('timeout', sender, `the time of ${request} is over at the receiver`, (turn) =>
      turn.toIngest(sender, { type: 'xstate.after.deadline.ingest.running' }),
    );
  } else if (ingest.matches('ready')) {
    steps.add(`${request} is read and released`, (turn) => {
      turn.execute({ type: 'release', holder: requestOf(sender), keys: undefined });
    });
  }
}
