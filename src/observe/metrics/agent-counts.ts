/** What an agent counts anyway (`status` shows it), as metrics: each is read when it is asked for. */
import { Counter, type Registry } from 'prom-client';
import { type ErrorCode, errorCodes } from '../../protocol/errors.js';
import { type End, ends } from '../../protocol/subjects.js';

/** The count of that name; 0 as long as nothing was counted. */
type Count = (name: string) => number;

interface PlainRule {
  readonly help: string;
  readonly count: string;
}
interface LabelledRule {
  readonly help: string;
  readonly label: string;
  readonly values: Readonly<Record<string, (count: Count) => number>>;
}

/** By the name of the metric. */
const rules: Readonly<Record<string, PlainRule | LabelledRule>> = {
  kvferry_requests_accepted_total: {
    help: 'Requests that were put at this agent and taken.',
    count: 'requests_accepted',
  },
  kvferry_groups_ended_total: {
    help: 'Requests over several ranks that this agent led to their end, by end.',
    label: 'end',
    values: fromEach<End>(ends, (end) => `groups_${end}`),
  },
  kvferry_chunks_allocated_total: {
    help: 'Chunks that senders asked for, by what the store decided: written (it got a page), joined (another request is writing it), ready (it was here).',
    label: 'outcome',
    values: {
      written: (count) => count('chunks_written'),
      joined: (count) => count('chunks_joined'),
      ready: (count) => count('chunks_deduplicated') - count('chunks_joined'),
    },
  },
  kvferry_chunks_handed_over_total: {
    help: 'Joined chunks that were given to another request to write, because their writer was gone.',
    count: 'chunks_handed_over',
  },
  kvferry_chunks_taken_over_total: {
    help: 'Joined chunks that this sender took over to write.',
    count: 'chunks_taken_over',
  },
  kvferry_handovers_refused_total: {
    help: 'Hand-overs that a sender did not take, or did not answer.',
    count: 'handovers_refused',
  },
  kvferry_batches_queued_total: {
    help: 'Batches that had to wait for pages.',
    count: 'batches_queued',
  },
  kvferry_pages_freed_total: {
    help: 'Pages of the arena that became free.',
    count: 'pages_freed',
  },
  kvferry_written_bytes_total: {
    help: 'Bytes that this sender wrote into arenas of others.',
    count: 'bytes_written',
  },
  kvferry_writes_rejected_total: {
    help: 'Writes that a receiver refused, because their remote key was revoked.',
    count: 'writes_rejected',
  },
  kvferry_leases_ended_total: {
    help: 'Ready requests whose leases have ended: released by the engine, or expired.',
    label: 'cause',
    values: fromEach(['released', 'expired'], (cause) => `leases_${cause}`),
  },
  kvferry_grants_revoked_total: {
    help: 'Remote keys that were revoked, so that nothing written under them can land.',
    count: 'grants_revoked',
  },
  kvferry_quarantines_overdue_total: {
    help: 'Remote keys that were revoked because no word came about writes that should have drained.',
    count: 'quarantines_overdue',
  },
  kvferry_peers_lost_total: {
    help: 'Agents that were held for lost, by what they were to this one.',
    label: 'side',
    values: fromEach(['sender', 'receiver'], (side) => `${side}s_lost`),
  },
  kvferry_provider_fallbacks_total: {
    help: 'Times that a preferred provider was passed over when connecting.',
    count: 'provider_fallbacks',
  },
  kvferry_messages_refused_total: {
    help: 'Messages that were refused, heartbeats included.',
    count: 'messages_refused',
  },
  kvferry_errors_total: {
    help: 'Messages that were answered with an error, by its code.',
    label: 'code',
    values: fromEach<ErrorCode>(errorCodes, (code) => `errors_${code}`),
  },
  kvferry_peer_calls_repeated_total: {
    help: 'Messages to other agents that were sent again, because no answer came.',
    count: 'peer_calls_repeated',
  },
  kvferry_ends_confirmed_total: {
    help: 'Ends about which the sender was asked first, because this agent had been away.',
    count: 'ends_confirmed',
  },
  kvferry_events_lost_total: {
    help: 'Events that could not be published.',
    count: 'events_lost',
  },
  kvferry_actors_crashed_total: {
    help: 'Actors that threw; each has ended what it was about.',
    count: 'actors_crashed',
  },
  kvferry_invariants_broken_total: {
    help: 'Invariants of the store that were found broken. The agent fences itself.',
    count: 'invariants_broken',
  },
  kvferry_closes_stuck_total: {
    help: 'Times that closing took too long and was given up.',
    count: 'closes_stuck',
  },
};

export class AgentCounts {
  readonly #counters: readonly (readonly [Counter, PlainRule | LabelledRule])[];

  constructor(registry: Registry) {
    this.#counters = Object.entries(rules).map(([name, rule]) => {
      const labelNames = 'label' in rule ? [rule.label] : [];
      return [new Counter({ name, help: rule.help, labelNames, registers: [registry] }), rule];
    });
  }

  /** Takes over what the agent has counted so far. */
  update(counts: Readonly<Record<string, number>>): void {
    const count: Count = (name) => counts[name] ?? 0;
    for (const [counter, rule] of this.#counters) {
      counter.reset();
      if (!('label' in rule)) counter.inc(count(rule.count));
      else for (const [value, of] of Object.entries(rule.values)) counter.inc({ [rule.label]: value }, of(count));
    }
  }
}

/** Each value of a label has a count of its own. */
function fromEach<Value extends string>(
  values: readonly Value[],
  nameOf: (value: Value) => string,
): Record<Value, (count: Count) => number> {
  const entries = values.map((value) => [value, (count: Count) => count(nameOf(value))]);
  return Object.fromEntries(entries) as Record<Value, (count: Count) => number>;
}
