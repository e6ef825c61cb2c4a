import type { RequestView } from '../../feed.js';
import { clockTime, count, duration } from '../format.js';
import { Chip } from '../parts/chip.js';
import { type Tone, toneOfEnd, toneOfState, worst } from '../tones.js';
import type { ListedRequest } from './listed-requests.js';
import { rankText, shortState, wayText } from './request-text.js';

/** The titles of the columns of `RequestRow`. Screen readers read `describeRequest` instead. */
export function RequestColumns() {
  return (
    <div class="request-columns request-grid" aria-hidden="true">
      <span class="request-name">Request</span>
      <span class="request-way">Way</span>
      <span class="request-counts">Chunks</span>
      <span class="request-time">Began</span>
      <span class="request-state">State</span>
      <span class="request-took">Took</span>
    </div>
  );
}

/** The signs beside the number of chunks. */
export function RequestLegend() {
  return (
    <dl class="request-legend" aria-label="Chunks">
      <div title="Chunks that the arena had already">
        <dt>=</dt>
        <dd>already there</dd>
      </div>
      <div title="Chunks that another request writes">
        <dt>+</dt>
        <dd>joined</dd>
      </div>
      <div title="Joined chunks that this request writes, because the other request failed">
        <dt class="warned">↷</dt>
        <dd>handed over</dd>
      </div>
    </dl>
  );
}

export function RequestRow({ request: { view, isTiedAbove, isTiedBelow } }: { readonly request: ListedRequest }) {
  const { startedMs, chunks, deduplicated, joined, handedOver, reason } = view;
  const rank = rankText(view);
  const ties = `${isTiedAbove ? ' tied-above' : ''}${isTiedBelow ? ' tied-below' : ''}`;
  return (
    <div class={`request-row request-grid${ties}`}>
      <span class={`dot tone-${toneOfRequest(view)}`} />
      <span class="request-name">
        <span class="request-id">{view.request}</span>
        {rank !== undefined && <span class="request-rank">{rank}</span>}
      </span>
      <span class="request-way">{wayText(view)}</span>
      <span class="request-counts">
        {count(chunks)}
        {deduplicated > 0 && <span>={count(deduplicated)}</span>}
        {joined > 0 && <span>+{count(joined)}</span>}
        {handedOver > 0 && <span class="warned">↷{count(handedOver)}</span>}
      </span>
      <time class="request-time">{clockTime(startedMs)}</time>
      <span class="request-state">
        {reason !== undefined && <span class="request-reason">{reason.code}</span>}
        <FirstState request={view} />
      </span>
      <span class="request-took">
        <SecondState request={view} />
      </span>
    </div>
  );
}

interface StateProps {
  readonly request: RequestView;
}

/** The end of the request, or the states of its two machines. */
export function RequestState({ request }: StateProps) {
  if (request.end !== undefined) return <Chip tone={toneOfEnd(request.end)}>{request.end}</Chip>;
  return (
    <>
      <SenderState request={request} />
      <ReceiverState request={request} />
    </>
  );
}

/** The end of the request, or the state at its sender. */
function FirstState({ request }: StateProps) {
  if (request.end !== undefined) return <Chip tone={toneOfEnd(request.end)}>{request.end}</Chip>;
  return <SenderState request={request} />;
}

/** How long the request took, or the state at its receiver. */
function SecondState({ request }: StateProps) {
  const { startedMs, changedMs, endedMs, end } = request;
  if (end !== undefined) return <>{duration((endedMs ?? changedMs) - startedMs)}</>;
  return <ReceiverState request={request} />;
}

function SenderState({ request: { states } }: StateProps) {
  if (states.sender === undefined) return null;
  return (
    <span class="side-state" title="State of the request at the prefill agent">
      sender <Chip tone={toneOfState('request', states.sender)}>{shortState(states.sender)}</Chip>
    </span>
  );
}

function ReceiverState({ request: { states } }: StateProps) {
  if (states.receiver === undefined) return null;
  return (
    <span class="side-state" title="State of the request at the decode agent">
      receiver <Chip tone={toneOfState('ingest', states.receiver)}>{shortState(states.receiver)}</Chip>
    </span>
  );
}

function toneOfRequest({ end, states }: RequestView): Tone {
  if (end !== undefined) return toneOfEnd(end);
  const { sender, receiver } = states;
  return worst([
    sender === undefined ? 'quiet' : toneOfState('request', sender),
    receiver === undefined ? 'quiet' : toneOfState('ingest', receiver),
  ]);
}
