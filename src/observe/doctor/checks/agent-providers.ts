/** Ways to move bytes that running agents were told to offer and cannot. What that costs shows at their peers. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('agents', 'agent-providers');

export function checkAgentProviders({ cluster }: Examination): Finding[] {
  return (cluster?.agents ?? []).flatMap(({ description: { agent, unavailable } }) =>
    unavailable.map(({ provider, reason }) => found.note(`${agent} has no ${provider}: ${reason}`)),
  );
}
