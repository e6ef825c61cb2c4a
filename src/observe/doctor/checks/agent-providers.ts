/** Providers that running agents were configured to offer and cannot. */
import type { Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('agents', 'agent-providers');

export function checkAgentProviders({ cluster }: Examination): Finding[] {
  return (cluster?.agents ?? []).flatMap(({ description: { agent, unavailable } }) =>
    unavailable.map(({ provider, reason }) => found.note(`${agent} cannot offer ${provider}: ${reason}`)),
  );
}
