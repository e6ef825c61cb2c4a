/** The rate between two readings. A low rate is not a fault: engines may not have sent more. */
import { roundGbps, roundMs } from '../../../figures/units.js';
import type { AgentFacts, Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('throughput', 'traffic');
const BYTES_PER_GB = 1e9;
const MS_PER_S = 1000;

export function checkTraffic({ cluster }: Examination): Finding[] {
  const senders = (cluster?.agents ?? []).filter(({ description }) => description.role !== 'decode');
  return senders.flatMap((agent) => {
    const { before, after, elapsedMs } = agent;
    if (before === undefined || after === undefined || before.epoch !== after.epoch || elapsedMs <= 0) return [];
    const bytes = (after.counters['bytes_written'] ?? 0) - (before.counters['bytes_written'] ?? 0);
    const gbps = bytes / BYTES_PER_GB / (elapsedMs / MS_PER_S);
    const text =
      bytes === 0
        ? `${after.agent} wrote nothing within ${roundMs(elapsedMs)}`
        : `${after.agent} wrote ${roundGbps(gbps)} to ${receiversOf(agent)} within ${roundMs(elapsedMs)}`;
    return [bytes === 0 ? found.note(`${text}; --probe measures what is possible`) : found.ok(text)];
  });
}

function receiversOf({ after }: AgentFacts): string {
  const connected = (after?.peers ?? []).filter(({ side, provider }) => side === 'receiver' && provider !== undefined);
  return connected.map(({ agent, provider }) => `${agent} (${provider})`).join(', ') || 'its receivers';
}
