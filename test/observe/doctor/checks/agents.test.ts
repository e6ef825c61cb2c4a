import { describe, expect, test } from 'vitest';
import { checkAgentHealth } from '../../../../src/observe/doctor/checks/agent-health.js';
import { checkAgentProviders } from '../../../../src/observe/doctor/checks/agent-providers.js';
import { checkAgents } from '../../../../src/observe/doctor/checks/agents.js';
import { checkPeers } from '../../../../src/observe/doctor/checks/peers.js';
import { checkTraffic } from '../../../../src/observe/doctor/checks/traffic.js';
import type { AgentFacts } from '../../../../src/observe/doctor/examination.js';
import type { PeerRow } from '../../../../src/protocol/status-rows.js';
import { brief, decode, examination, type Machine, peer, prefill } from '../support.js';

describe('agents', () => {
  const check = (...agents: readonly AgentFacts[]) => brief(checkAgents(examination({ agents })));

  test('run, in one version', () => {
    expect(check(decode(), prefill())).toEqual([
      ['ok', '2 agents: 1 prefill, 1 decode, 0 both'],
      ['ok', 'all agents run kvferry 0.1.0'],
      ['ok', 'd1 (decode) is running'],
      ['ok', 'p1 (prefill) is running'],
    ]);
  });

  test('are not asked without NATS', () => {
    const blind = examination({ agents: 'unknown' });
    const checks = [checkAgents, checkAgentHealth, checkAgentProviders, checkPeers, checkTraffic];
    expect(checks.flatMap((check) => check(blind))).toEqual([]);
  });

  test('NATS refuses the questions → a note names the file that helps', () => {
    const refusal = 'NATS refuses this user the right to publish to kvferry.v2.discover';
    expect(brief(checkAgents({ ...examination({ agents: 'unknown' }), refusal }))).toEqual([
      [
        'note',
        `the agents were not examined: ${refusal}`,
        'run kvferry doctor once more with the file of an observer, or with --probe of a tester: --nats-creds',
      ],
    ]);
  });

  test('no agent answers → a note', () => {
    expect(check()).toEqual([['note', 'no agent answers', 'start one with: kvferry agent']]);
  });

  test('only send, or only receive', () => {
    expect(check(prefill())[0]).toEqual([
      'note',
      '1 agent: 1 prefill, 0 decode, 0 both',
      'no agent receives; start a decode agent',
    ]);
    expect(check(decode())[0]).toEqual([
      'note',
      '1 agent: 0 prefill, 1 decode, 0 both',
      'no agent sends; start a prefill agent',
    ]);
  });

  test('two agents share a name → a problem', () => {
    const second = decode({ description: { epoch: '00000000000000ee' } });
    expect(check(decode(), second, prefill())[1]).toEqual([
      'problem',
      '2 processes answer as d1 (epochs 00000000000000dd, 00000000000000ee)',
      'stop the unwanted processes, or give each its own --agent-id',
    ]);
  });

  test('differ in their version', () => {
    const older = { description: { version: '0.0.9' } };
    expect(check(decode(older), prefill())[1]).toEqual([
      'warning',
      'agents run different versions (0.0.9: d1; 0.1.0: p1)',
      'finish the upgrade, so that all agents run one version',
    ]);
    expect(check(decode(older), prefill(older))[1]).toEqual([
      'note',
      'all agents run kvferry 0.0.9; this command is 0.1.0',
    ]);
  });

  test('are in other states', () => {
    const states = (agent: AgentFacts) => check(agent, prefill())[2];
    expect(states(decode({ description: { state: 'draining' } }))).toEqual(['note', 'd1 (decode) is draining']);
    expect(states(decode({ description: { state: 'fencing' } }))).toEqual([
      'problem',
      'd1 (decode) is fencing',
      'read its log for the reason, then restart it',
    ]);
    expect(states(decode({ status: 'silent' }))).toEqual([
      'warning',
      'd1 answered the first question and not the second',
      'check whether its process is stopped or its host overloaded, and read its log',
    ]);
  });
});

describe('their health', () => {
  const check = (agent: AgentFacts) => brief(checkAgentHealth(examination({ agents: [agent] })));

  test('no counter and no page → ok', () => {
    expect(check(decode())).toEqual([['ok', 'd1 has no error counts and no overdue pages']]);
    expect(check(decode({ status: 'silent' }))).toEqual([]);
  });

  test('a segment whose file is gone → a warning with its size', () => {
    const segment = { segment: 's', path: '/dev/shm/s', bytes: 65_536, chunksInUse: 0 };
    const segments = [segment, { ...segment, segment: 't', removedMs: 7000 }];
    expect(check(decode({ status: { segments } }))).toEqual([
      [
        'warning',
        'd1 holds 1 segment whose file is gone, with 64KiB',
        'an engine has died or has removed its file: kvferry status shows the segments; detach gives one back',
      ],
    ]);
  });

  test('counters of faults → warnings and problems', () => {
    expect(
      check(decode({ status: { counters: { invariants_broken: 1, actors_crashed: 2, pages_freed: 9 } } })),
    ).toEqual([
      [
        'problem',
        'd1 found a broken invariant in its store (invariants_broken: 1)',
        'the agent fences itself and exits; keep its log and its recording, and report them',
      ],
      [
        'warning',
        'd1 had actors that threw an error; each ended only its own request (actors_crashed: 2)',
        'the log names each actor and its error; please report them',
      ],
    ]);
  });

  test('pages that stay in quarantine → a warning', () => {
    expect(check(decode({ status: { quarantineAgeMs: 75_000 } }))).toEqual([
      [
        'warning',
        'd1 has had pages in quarantine for 75 s',
        'the writer has not drained; check whether its agent is stopped (kvferry explain names the writer)',
      ],
    ]);
  });

  test('a full arena while requests wait → a warning', () => {
    const pages = { total: 128, free: 4, writing: 60, ready: 64, quarantined: 0, reserved: 4, retained: 0 };
    expect(check(decode({ status: { pages, queued: 3 } }))).toEqual([
      [
        'warning',
        'd1 has no free page, and 3 requests wait for pages',
        'release pages sooner after the decode engine has read them, raise --arena-pages, or send this agent less',
      ],
    ]);
    expect(check(decode({ status: { pages, queued: 0 } }))[0]?.[0]).toBe('ok');
    expect(check(decode({ status: { pages: { ...pages, retained: 1 }, queued: 3 } }))[0]?.[0]).toBe('ok');
  });
});

test('providers that agents cannot have are noted', () => {
  const agents = [decode({ description: { unavailable: [{ provider: 'verbs', reason: 'no device' }] } }), prefill()];
  expect(brief(checkAgentProviders(examination({ agents })))).toEqual([['note', 'd1 cannot offer verbs: no device']]);
});

describe('the way between two agents', () => {
  const check = (spoilt: Partial<PeerRow>, machine: Machine = {}) => {
    const agents = [decode(), prefill({ status: { peers: [peer(spoilt)] } })];
    return brief(checkPeers(examination({ agents, machine })));
  };
  const tcp = { provider: 'tcp', detail: 'libfabric net 1.17' } as const;
  const here = { files: { '/dev/shm/kvferry-d1-arena': '' } };

  test('is the best one', () => {
    expect(check({})).toEqual([['ok', 'p1 → d1: same-host (same host, copied by the receiver)']]);
  });

  test('is a fallback: loud, with the reason', () => {
    expect(check({ ...tcp, fallback: ['same-host: cannot be reached', 'verbs: no device: none'] })).toEqual([
      [
        'warning',
        'p1 → d1: tcp (libfabric net 1.17) is a FALLBACK; verbs: no device: none',
        'run kvferry doctor on both hosts to see what it lacks; if it is not wanted, leave verbs out of --provider',
      ],
    ]);
  });

  test('leads to another host, as meant', () => {
    expect(check({ ...tcp, fallback: ['same-host: cannot be reached'] })).toEqual([
      ['ok', 'p1 → d1: tcp (libfabric net 1.17) instead of same-host (same-host: cannot be reached)'],
    ]);
  });

  test('leads through TCP to an agent of this host', () => {
    expect(check({ ...tcp, fallback: ['same-host: cannot be reached'] }, here)).toEqual([
      [
        'note',
        'p1 → d1: tcp (libfabric net 1.17) instead of same-host (same-host: cannot be reached)',
        'if both agents run on this host, let them share --socket-directory and --arena-directory (in containers: volumes)',
      ],
    ]);
  });

  test('is not there, although both run', () => {
    expect(check({ state: 'lost', provider: undefined, fallback: ['tcp: timed out'] })).toEqual([
      [
        'problem',
        'p1 → d1: the connection is lost, although d1 runs; tcp: timed out',
        'no bytes can move on this connection; compare --provider, --bind-address and --tcp-encryption of both agents, and check firewalls',
      ],
    ]);
  });

  test('led to a process that is gone', () => {
    expect(check({ state: 'lost', epoch: '00000000000000ee' })).toEqual([
      ['note', 'p1 → d1: the process with epoch 00000000000000ee has ended'],
    ]);
  });

  test('is being opened', () => {
    expect(check({ state: 'connecting and alive', provider: undefined })).toEqual([
      ['note', 'p1 → d1: not connected (connecting and alive)'],
    ]);
  });

  test('only the sender reports a connection', () => {
    expect(check({ side: 'sender', fallback: ['verbs: none'] })).toEqual([]);
  });
});

describe('traffic', () => {
  const check = (agent: AgentFacts) => brief(checkTraffic(examination({ agents: [agent, decode()] })));
  const before = { counters: { bytes_written: 1e9 } };

  test('is what was written meanwhile', () => {
    expect(check(prefill({ before, status: { counters: { bytes_written: 3.5e9 } } }))).toEqual([
      ['ok', 'p1 wrote 2.5 GB/s to d1 (same-host) within 1 s'],
    ]);
  });

  test('no bytes were written meanwhile → a note', () => {
    expect(check(prefill({ before, status: before }))).toEqual([
      ['note', 'p1 wrote nothing within 1 s; --probe measures what is possible'],
    ]);
  });

  test('another process or a silent one → no rate', () => {
    expect(check(prefill({ before: { ...before, epoch: '00000000000000ee' } }))).toEqual([]);
    expect(check(prefill({ status: 'silent' }))).toEqual([]);
  });
});
