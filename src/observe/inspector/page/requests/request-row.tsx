import type { RequestView } from '../../feed.js';
import { clockTime, count, duration } from '../format.js';
import { Chip } from '../parts/chip.js';
import { type Tone, toneOfEnd, toneOfState, worst } from '../tones.js';

export function RequestRow({ request: view }: { readonly request: RequestView }) {
  const { request, sender, receiver, startedMs, changedMs, endedMs, chunks, deduplicated, joined, handedOver, reason } =
    view;
  return (
    <div class="request-row">
      <span class={`dot tone-${toneOfRequest(view)}`} aria-hidden="true" />
      <span class="request-id">{request}</span>
      <span class="request-way">
        {sender ?? '?'} → {receiver ?? '?'}
      </span>
      <span class="request-state">
        <RequestState request={view} />
        {reason !== undefined && <span class="request-reason">{reason.code}</span>}
      </span>
      <span class="request-counts">
        {count(chunks)}
        {deduplicated > 0 && <span title="already there">={count(deduplicated)}</span>}
        {joined > 0 && <span title="joined: another request writes them">+{count(joined)}</span>}
        {handedOver > 0 && (
          <span class="tone-warn" title="handed over to this request">
            ↷{count(handedOver)}
          </span>
        )}
      </span>
      <span class="request-took">{view.end === undefined ? '…' : duration((endedMs ?? changedMs) - startedMs)}</span>
      <time class="request-time">{clockTime(startedMs)}</time>
    </div>
  );
}

/** The end of the request, or the states of its two machines. */
export function RequestState({ request: { end, states } }: { readonly request: RequestView }) {
  if (end !== undefined) return <Chip tone={toneOfEnd(end)}>{end}</Chip>;
  return (
    <>
      {states.sender !== undefined && (
        <Chip tone={toneOfState('request', states.sender)} title="At the prefill agent">
          {lastOf(states.sender)}
        </Chip>
      )}
      {states.receiver !== undefined && (
        <Chip tone={toneOfState('ingest', states.receiver)} title="At the decode agent">
          {lastOf(states.receiver)}
        </Chip>
      )}
    </>
  );
}

function lastOf(state: string): string {
  return state.slice(state.lastIndexOf('.') + 1);
}

function toneOfRequest({ end, states }: RequestView): Tone {
  if (end !== undefined) return toneOfEnd(end);
  const { sender, receiver } = states;
  return worst([
    sender === undefined ? 'quiet' : toneOfState('request', sender),
    receiver === undefined ? 'quiet' : toneOfState('ingest', receiver),
  ]);
}
