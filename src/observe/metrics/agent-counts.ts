/** The counters of an agent, which `status` shows too, as metrics. Each is read when Prometheus scrapes. */
import { Counter, type Registry } from 'prom-client';
import { type ErrorCode, errorCodes } from '../../protocol/errors.js';
import { type End, ends } from '../../protocol/subjects.js';

/** The value of a counter; 0 until it first counts. */
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
    help: 'Requests that this agent accepted in a put.',
    count: 'requests_accepted',
  },
  kvferry_requests_routed_total: {
    help: 'Requests that were put without a receiver, and whose receiver a router named.',
    count: 'requests_routed',
  },
  kvferry_chunks_skipped_total: {
    help: 'Chunks that a router left out in a route, because the decode engine has them.',
    count: 'chunks_skipped',
  },
  kvferry_sessions_opened_total: {
    help: 'Sessions that engines opened.',
    count: 'sessions_opened',
  },
  kvferry_sessions_ended_total: {
    help: 'Sessions that ended, by cause: ended (by the engine), or silent (the engine sent nothing for too long).',
    label: 'cause',
    values: {
      ended: (count) => count('sessions_ended') - count('sessions_silent'),
      silent: (count) => count('sessions_silent'),
    },
  },
  kvferry_segments_removed_total: {
    help: 'Segments whose path no longer led to their file.',
    count: 'segments_removed',
  },
  kvferry_segments_given_back_total: {
    help: 'Segments that the agent detached by itself: their session had ended, or their file was gone.',
    count: 'segments_given_back',
  },
  kvferry_pauses_noticed_total: {
    help: 'Times for which the process of the agent did not run, of a second and more.',
    count: 'pauses_noticed',
  },
  kvferry_groups_ended_total: {
    help: 'Requests over several ranks that this agent led, by end.',
    label: 'end',
    values: fromEach<End>(ends, (end) => `groups_${end}`),
  },
  kvferry_chunks_allocated_total: {
    help: 'Chunks that senders asked for, by the decision of the store: written (it got a page), joined (another request is writing it), ready (it was already in the arena).',
    label: 'outcome',
    values: {
      written: (count) => count('chunks_written'),
      joined: (count) => count('chunks_joined'),
      ready: (count) => count('chunks_deduplicated') - count('chunks_joined'),
    },
  },
  kvferry_chunks_handed_over_total: {
    help: 'Joined chunks that were handed over to another request, because their writer had ended.',
    count: 'chunks_handed_over',
  },
  kvferry_chunks_taken_over_total: {
    help: 'Joined chunks that this sender took over and wrote.',
    count: 'chunks_taken_over',
  },
  kvferry_handovers_refused_total: {
    help: 'Hand-overs that a sender refused or did not answer.',
    count: 'handovers_refused',
  },
  kvferry_batches_queued_total: {
    help: 'Batches that had to wait for pages.',
    count: 'batches_queued',
  },
  kvferry_pages_freed_total: {
    help: 'Arena pages that became free.',
    count: 'pages_freed',
  },
  kvferry_written_bytes_total: {
    help: 'Bytes that this sender wrote into the arenas of receivers.',
    count: 'bytes_written',
  },
  kvferry_writes_repeated_total: {
    help: 'Writes that were repeated over another connection, because the first one or its provider failed.',
    count: 'writes_repeated',
  },
  kvferry_writes_rejected_total: {
    help: 'Writes that a receiver rejected, because their remote key was revoked.',
    count: 'writes_rejected',
  },
  kvferry_leases_ended_total: {
    help: 'Ready requests whose leases have ended, by cause: released by the engine, or expired.',
    label: 'cause',
    values: fromEach(['released', 'expired'], (cause) => `leases_${cause}`),
  },
  kvferry_grants_revoked_total: {
    help: 'Remote keys that were revoked. No write under a revoked key can land.',
    count: 'grants_revoked',
  },
  kvferry_quarantines_overdue_total: {
    help: 'Remote keys that were revoked because a drain was overdue.',
    count: 'quarantines_overdue',
  },
  kvferry_peers_lost_total: {
    help: 'Peers that were declared dead, by their side: sender or receiver.',
    label: 'side',
    values: fromEach(['sender', 'receiver'], (side) => `${side}s_lost`),
  },
  kvferry_line_losses_total: {
    help: 'Times in which the heartbeats of this agent did not come back from NATS.',
    count: 'line_losses',
  },
  kvferry_twins_noticed_total: {
    help: 'Other processes that ran under the name of this agent.',
    count: 'twins_noticed',
  },
  kvferry_provider_fallbacks_total: {
    help: 'Connections for which a preferred provider was passed over.',
    count: 'provider_fallbacks',
  },
  kvferry_messages_refused_total: {
    help: 'Messages that were refused, including heartbeats.',
    count: 'messages_refused',
  },
  kvferry_errors_total: {
    help: 'Messages that were answered with an error, by code.',
    label: 'code',
    values: fromEach<ErrorCode>(errorCodes, (code) => `errors_${code}`),
  },
  kvferry_peer_calls_repeated_total: {
    help: 'Messages to other agents that were resent, because no answer came.',
    count: 'peer_calls_repeated',
  },
  kvferry_ends_confirmed_total: {
    help: 'Ends to which this agent asked the sender to agree before it announced them.',
    count: 'ends_confirmed',
  },
  kvferry_ends_unknown_total: {
    help: 'Requests of which this agent never learned how the receiver ended them. This agent announced no end.',
    count: 'ends_unknown',
  },
  kvferry_events_lost_total: {
    help: 'Events that could not be published.',
    count: 'events_lost',
  },
  kvferry_actors_crashed_total: {
    help: 'Actors that threw an error. Each ended only its own request, batch or peer.',
    count: 'actors_crashed',
  },
  kvferry_invariants_broken_total: {
    help: 'Broken invariants found in the store. The agent fences itself.',
    count: 'invariants_broken',
  },
  kvferry_closes_stuck_total: {
    help: 'Shutdowns in which a part did not close in time.',
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

  /** Sets the metrics to the current counters of the agent. */
  update(counts: Readonly<Record<string, number>>): void {
    const count: Count = (name) => counts[name] ?? 0;
    for (const [counter, rule] of this.#counters) {
      counter.reset();
      if (!('label' in rule)) counter.inc(count(rule.count));
      else for (const [value, of] of Object.entries(rule.values)) counter.inc({ [rule.label]: value }, of(count));
    }
  }
}

/** One counter for each value of the label. */
function fromEach<Value extends string>(
  values: readonly Value[],
  nameOf: (value: Value) => string,
): Record<Value, (count: Count) => number> {
  const entries = values.map((value) => [value, (count: Count) => count(nameOf(value))]);
  return Object.fromEntries(entries) as Record<Value, (count: Count) => number>;
}
