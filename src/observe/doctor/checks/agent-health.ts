/** Counters and quarantined pages of agents that an operator should look at. */

import { counted, formatBytes, roundMs } from '../../../figures/units.js';
import type { StatusReply } from '../../../protocol/operations.js';
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('agents', 'agent-health');
/** An agent fences overdue quarantines after twice `writeDrainTimeoutMs`, whose default is 10 s. */
const QUARANTINE_AGE_MS_MAX = 60_000;

/** Counters that are zero in a healthy agent. */
const alarms: Readonly<Record<string, { severity: 'warning' | 'problem'; what: string; remedy: string }>> = {
  invariants_broken: {
    severity: 'problem',
    what: 'found a broken invariant in its store',
    remedy: 'the agent fences itself and exits; keep its log and its recording, and report them',
  },
  actors_crashed: {
    severity: 'warning',
    what: 'had actors that threw an error; each ended only its own request',
    remedy: 'the log names each actor and its error; please report them',
  },
  closes_stuck: {
    severity: 'warning',
    what: 'could not close one of its parts in time',
    remedy: 'the log names the part; restart the agent to free its memory',
  },
  quarantines_overdue: {
    severity: 'warning',
    what: 'revoked remote keys because writers did not report that they had drained',
    remedy: 'look for stopped or overloaded prefill agents; no pages were lost',
  },
  events_lost: {
    severity: 'warning',
    what: 'could not publish events',
    remedy: 'check whether NATS was disconnected; routers that missed an event can ask status',
  },
  writes_rejected: {
    severity: 'warning',
    what: 'had writes that a receiver rejected',
    remedy: 'normal after a receiver fenced this agent; otherwise read the logs of both agents',
  },
};

/** Memory that engines may have left behind. */
function checkSegments({ agent, segments }: StatusReply): Finding[] {
  const gone = segments.filter(({ removedMs }) => removedMs !== undefined);
  if (gone.length === 0) return [];
  const bytes = gone.reduce((sum, segment) => sum + segment.bytes, 0);
  const what = `${counted(gone.length, 'segment')} whose file is gone, with ${formatBytes(bytes)}`;
  const remedy = 'an engine has died or has removed its file: kvferry status shows the segments; detach gives one back';
  return [found.warning(`${agent} holds ${what}`, remedy)];
}

export function checkAgentHealth({ cluster }: Examination): Finding[] {
  return (cluster?.agents ?? []).flatMap(({ after }) => {
    if (after === undefined) return [];
    const findings = [...countedAlarms(after), ...checkPages(after), ...checkSegments(after)];
    return findings.length > 0 ? findings : [found.ok(`${after.agent} has no error counts and no overdue pages`)];
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
        `${agent} has had pages in quarantine for ${roundMs(quarantineAgeMs)}`,
        `the writer has not drained; check whether its agent is stopped (kvferry explain names the writer)`,
      ),
    );
  }
  if (pages !== undefined && queued > 0 && pages.free + pages.retained - pages.reserved <= 0) {
    findings.push(
      found.warning(
        `${agent} has no free page, and ${counted(queued, 'request')} ${queued === 1 ? 'waits' : 'wait'} for pages`,
        'release pages sooner after the decode engine has read them, raise --arena-pages, or send this agent less',
      ),
    );
  }
  return findings;
}
