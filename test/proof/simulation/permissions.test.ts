/**
 * T28: in whole clusters with failures, no program publishes or subscribes what its role may not. The permissions of a real server
 * hold a few requests to them (test/integration/permissions.test.ts); here are all messages of every failure.
 */
import { afterEach, expect, test, vi } from 'vitest';
import { patient } from '../../../src/processes/patience.js';
import { MemoryControl } from '../../../src/proof/simulation/memory-control.js';
import { scenarioOf } from '../../../src/proof/simulation/world/draw-scenario.js';
import { runScenario } from '../../../src/proof/simulation/world/run-scenario.js';
import { type NatsRole, type Rights, rightsOf } from '../../../src/protocol/permissions.js';
import { peerNotices, peerOperations } from '../../../src/protocol/subjects.js';

const SEEDS = 60;
const TEST_TIMEOUT_MS = patient(240_000);

/** Everything that a program has said, by its name. */
interface Said {
  readonly published: Map<string, Set<string>>;
  readonly subscribed: Map<string, Set<string>>;
}

afterEach(() => vi.restoreAllMocks());

function listen(): Said {
  const said: Said = { published: new Map(), subscribed: new Map() };
  const noting = (method: 'publish' | 'request' | 'requestAll' | 'subscribe', into: Map<string, Set<string>>) => {
    const original = MemoryControl.prototype[method] as (...args: unknown[]) => unknown;
    vi.spyOn(MemoryControl.prototype, method).mockImplementation(function (this: MemoryControl, ...args: unknown[]) {
      const subjects = into.get(this.name) ?? new Set();
      into.set(this.name, subjects.add(`${args[0]}`));
      return original.apply(this, args) as never;
    });
  };
  noting('publish', said.published);
  noting('request', said.published);
  noting('requestAll', said.published);
  noting('subscribe', said.subscribed);
  return said;
}

function allows(patterns: readonly string[], subject: string): boolean {
  const tokens = subject.split('.');
  return patterns.some((pattern) => {
    const parts = pattern.split('.');
    const isOpen = parts.at(-1) === '>';
    if (isOpen ? tokens.length < parts.length : tokens.length !== parts.length) return false;
    return parts.every((part, index) => part === '*' || part === '>' || part === tokens[index]);
  });
}

/** The simulated engine also plays the router that gives a request up at its decode agent. */
const AS_ROUTER = /^prefill-engine published kvferry\.v2\.agent\.decode-\d+\.default\.cancel$/;

/** Agents have names such as prefill-0, engines those of their agents. */
function rightsIn(world: string): { readonly role: NatsRole; readonly rights: Rights } | undefined {
  const [, agent, kind] = /^(?:engine-)?((prefill|decode)-\d+)$/.exec(world) ?? [];
  if (agent === undefined && world !== 'router') return undefined;
  const role = (agent === undefined ? 'router' : `${kind}-${world === agent ? 'agent' : 'engine'}`) as NatsRole;
  return { role, rights: rightsOf(role, { name: world, agent: agent ?? '', tenant: 'default' }) };
}

test(
  'T28: programs under random faults → say and hear only what their role may',
  async () => {
    const said = listen();
    for (let seed = 1; seed <= SEEDS; seed += 1) await runScenario(scenarioOf(seed));
    const refused: string[] = [];
    const sent = new Set<string>();
    const roles = new Set<NatsRole>();
    for (const [kind, programs] of Object.entries(said)) {
      for (const [name, subjects] of programs as Map<string, Set<string>>) {
        const known = rightsIn(name);
        if (known === undefined) continue;
        const { role, rights } = known;
        roles.add(role);
        const patterns = kind === 'published' ? rights.publish : rights.subscribe;
        for (const subject of subjects) {
          if (!allows(patterns, subject)) refused.push(`${role} ${kind} ${subject}`);
          else if (kind === 'published' && subject.includes('.peer.'))
            sent.add(subject.slice(subject.lastIndexOf('.') + 1));
        }
      }
    }
    expect(refused.filter((line) => !AS_ROUTER.test(line))).toEqual([]);
    expect([...roles].sort()).toEqual(['decode-agent', 'decode-engine', 'prefill-agent', 'prefill-engine', 'router']);
    const all = [...new Set([...peerOperations, ...peerNotices])];
    expect(all.filter((operation) => !sent.has(operation))).toEqual(['yield']);
  },
  TEST_TIMEOUT_MS,
);
