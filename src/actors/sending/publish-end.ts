/** The terminal event of a request whose end the sender announces. */
import { defined } from '../../protocol/defined.js';
import type { Failure, Ranks } from '../../protocol/fields.js';
import { PROTOCOL_VERSION } from '../../protocol/limits.js';
import type { End } from '../../protocol/subjects.js';
import type { AgentEnv } from '../env/agent-env.js';
import { announceEnd } from '../env/publish-event.js';

export interface EndedRequest {
  readonly request: string;
  readonly ranks: Ranks | undefined;
  /** Undefined when the request ended before a router had named it. */
  readonly receiver: string | undefined;
  readonly chunks: number;
  readonly ageMs: number;
}

export function publishEnd(env: AgentEnv, ended: EndedRequest, end: End, reason: Failure | null): void {
  const { options, epoch } = env;
  const { request, ranks, receiver, chunks, ageMs } = ended;
  const fields = defined({
    request,
    epoch,
    end,
    reason: reason ?? undefined,
    sender: options.agent,
    receiver,
    ranks: ranks === undefined ? undefined : [{ rank: ranks.rank, epoch, ...memberOf(ranks) }],
    lead: ranks?.members[0]?.receiver,
  });
  const counts = { chunks, deduplicated: 0, joined: 0, bytes: 0 };
  announceEnd(env, { v: PROTOCOL_VERSION, ...fields, ...counts, ageMs: Math.round(ageMs) });
}

function memberOf({ rank, members }: Ranks): Ranks['members'][number] {
  return members[rank] as Ranks['members'][number];
}
