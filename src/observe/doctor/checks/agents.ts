/** The agents that answer, their roles, names, versions and states. */
import { counted } from '../../../figures/units.js';
import type { AgentFacts, Examination } from '../examination.js';
import { type Finding, Findings } from '../finding.js';

const found = new Findings('agents', 'agents');
const versions = new Findings('agents', 'agent-versions');
const states = new Findings('agents', 'agent-states');

const OBSERVER = 'run kvferry doctor once more with the file of an observer, or with --probe of a tester: --nats-creds';

export function checkAgents({ cluster, refusal, version }: Examination): Finding[] {
  if (refusal !== undefined) return [found.note(`the agents were not examined: ${refusal}`, OBSERVER)];
  if (cluster === undefined) return [];
  const { agents } = cluster;
  if (agents.length === 0) return [found.note('no agent answers', 'start one with: kvferry agent')];
  return [...roles(agents), ...twins(agents), ...checkVersions(agents, version), ...agents.flatMap(checkState)];
}

function roles(agents: readonly AgentFacts[]): Finding[] {
  const count = (...wanted: string[]) => agents.filter(({ description }) => wanted.includes(description.role)).length;
  const text = `${counted(agents.length, 'agent')}: ${count('prefill')} prefill, ${count('decode')} decode, ${count('both')} both`;
  if (count('prefill', 'both') === 0) return [found.note(text, 'no agent sends; start a prefill agent')];
  if (count('decode', 'both') === 0) return [found.note(text, 'no agent receives; start a decode agent')];
  return [found.ok(text)];
}

/** Two processes with one name answer each other's messages. */
function twins(agents: readonly AgentFacts[]): Finding[] {
  const epochs = new Map<string, string[]>();
  for (const { description } of agents) {
    epochs.set(description.agent, [...(epochs.get(description.agent) ?? []), description.epoch]);
  }
  return [...epochs]
    .filter(([, processes]) => processes.length > 1)
    .map(([agent, processes]) =>
      found.problem(
        `${processes.length} processes answer as ${agent} (epochs ${processes.join(', ')})`,
        'stop the unwanted processes, or give each its own --agent-id',
      ),
    );
}

function checkVersions(agents: readonly AgentFacts[], own: string): Finding[] {
  const byVersion = new Map<string, string[]>();
  for (const { description } of agents) {
    byVersion.set(description.version, [...(byVersion.get(description.version) ?? []), description.agent]);
  }
  const [first] = byVersion.keys();
  if (byVersion.size === 1) {
    if (first === own) return [versions.ok(`all agents run kvferry ${own}`)];
    return [versions.note(`all agents run kvferry ${first}; this command is ${own}`)];
  }
  const list = [...byVersion].map(([each, names]) => `${each}: ${names.join(', ')}`).join('; ');
  return [
    versions.warning(
      `agents run different versions (${list})`,
      'finish the upgrade, so that all agents run one version',
    ),
  ];
}

function checkState({ description: { agent, role, state }, after }: AgentFacts): Finding[] {
  if (after === undefined) {
    return [
      states.warning(
        `${agent} answered the first question and not the second`,
        'check whether its process is stopped or its host overloaded, and read its log',
      ),
    ];
  }
  const text = `${agent} (${role}) is ${state}`;
  if (state === 'running') return [states.ok(text)];
  if (state === 'starting' || state === 'draining') return [states.note(text)];
  return [states.problem(text, 'read its log for the reason, then restart it')];
}
