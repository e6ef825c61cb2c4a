/** What agents have counted and hold that somebody should look at. */

import { counted, roundMs } from '../../../figures/units.js';
import type { StatusReply } from '../../../protocol/operations.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('agents', 'agent-health');
/** Overdue quarantines are fenced after twice the time that writes have to drain, which is 10 s unless it was set otherwise. */
const QUARANTINE_AGE_MS_MAX = 60_000;

/** Counters that stay zero when all is well. */
const alarms: Readonly<Record<string, { severity: 'warning' | 'problem'; what: string; remedy: string }>> = {
  invariants_broken: {
    severity: 'problem',
    what: 'has lost an invariant of its store',
    remedy: 'it fences itself and ends; keep its log and its recording, and report them',
  },
  actors_crashed: {
    severity: 'warning',
    what: 'had actors that threw; each ended its own request',
    remedy: 'the log names each with its error; please report it',
  },
  closes_stuck: {
    severity: 'warning',
    what: 'could not close something in time',
    remedy: 'its log names it; restart the agent when its memory is needed',
  },
  quarantines_overdue: {
    severity: 'warning',
    what: 'had to revoke remote keys because writers did not say that they had drained',
    remedy: 'look for prefill agents that are stopped or overloaded; pages were not lost',
  },
  events_lost: {
    severity: 'warning',
    what: 'could not publish events',
    remedy: 'was NATS away for long? Routers that missed an end learn it from status',
  },
  writes_rejected: {
    severity: 'warning',
    what: 'had writes refused by a receiver',
    remedy: 'normal after a receiver fenced it; otherwise look at the log of both',
  },
};

export function checkAgentHealth({ cluster }: Examination): Finding[] {
  return (cluster?.agents ?? []).flatMap(({ after }) => {
    if (after === undefined) return [];
    const findings = [...countedAlarms(after), ...checkPages(after)];
    return findings.length > 0 ? findings : [found.ok(`${after.agent} has nothing to complain of`)];
  });
}

function countedAlarms({ agent, counters }: StatusReply): Finding[] {
  return Object.entries(alarms)
    .filter(([name]) => (counters[name] ?? 0) > 0)
    .map(([name, { severity, what, remedy }]) =>
      found[severity](`${agent} ${what} (${name}: ${counters[name]})`, remedy),
    );
}

function checkPages({ agent, pages, quarantineAgeMs = 0, queued }: StatusReply): Finding[] {
  const findings: Finding[] = [];
  if (quarantineAgeMs > QUARANTINE_AGE_MS_MAX) {
    findings.push(
      found.warning(
        `${agent} has pages in quarantine for ${roundMs(quarantineAgeMs)}`,
        `their writer gave up and has not drained: is its agent stopped? kvferry explain shows who`,
      ),
    );
  }
  if (pages !== undefined && queued > 0 && pages.free + pages.retained - pages.reserved <= 0) {
    findings.push(
      found.warning(
        `${agent} has no page left, and ${counted(queued, 'request')} ${queued === 1 ? 'waits' : 'wait'} for some`,
        'release what decode engines have read, take more --arena-pages, or send it less',
      ),
    );
  }
  return findings;
}
