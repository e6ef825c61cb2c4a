/**
 * Aims of the benchmark. A target is a goal of the project. A limit has slack for busy machines, and the benchmark fails
 * beyond it. Where possible, both are quotients of two figures that were measured in alternation.
 */

import type { SuiteName } from './suite-names.js';
import type { Row, SuiteResult } from './suite-result.js';
import { medianOf } from './suite-result.js';

const KIB = 1024;
const MIB = 1024 ** 2;

interface Aim {
  readonly name: string;
  readonly suite: SuiteName;
  readonly table: string;
  readonly figure: string;
  readonly where: (parameters: Row['parameters']) => boolean;
  /** Whether more or less is better. The worst row counts. */
  readonly better: 'more' | 'less';
  readonly target: number;
  /** Undefined if the aim does not guard against regressions. */
  readonly limit?: number;
}

const always = () => true;
const isAlone = ({ atOnce, senders, shared }: Row['parameters']) => atOnce === 1 && senders === 1 && shared === 0;
const write = { suite: 'data', table: 'write' } as const;
const throughAgents = { suite: 'data', table: 'through agents' } as const;

const aims: readonly Aim[] = [
  {
    ...write,
    name: 'same host against memcpy, from 1 MiB',
    figure: 'ofBaseline',
    better: 'more',
    where: ({ path, chunkBytes }) => path === 'same-host' && Number(chunkBytes) >= MIB,
    target: 0.9,
    limit: 0.1,
  },
  {
    ...write,
    name: 'tcp against one raw stream, from 1 MiB',
    figure: 'ofBaseline',
    better: 'more',
    where: ({ path, chunkBytes }) => path === 'tcp' && Number(chunkBytes) >= MIB,
    target: 1,
    limit: 0.15,
  },
  {
    ...write,
    name: "tcp: processor time of the sender, against libfabric's tcp, from 1 MiB",
    figure: 'cpuOfLibfabric',
    better: 'less',
    where: ({ path, chunkBytes }) => path === 'tcp' && Number(chunkBytes) >= MIB,
    target: 0.6,
    limit: 2,
  },
  {
    ...throughAgents,
    name: 'same host through agents, against memcpy',
    figure: 'ofBaseline',
    better: 'more',
    ...{ where: ({ path }) => path === 'same-host', target: 0.9, limit: 0.05 },
  },
  {
    ...throughAgents,
    name: 'tcp through agents, against one raw stream',
    figure: 'ofBaseline',
    better: 'more',
    ...{ where: ({ path }) => path === 'tcp', target: 1, limit: 0.1 },
  },
  ...['prefill', 'decode'].map(
    (side): Aim => ({
      ...{
        suite: 'data',
        table: 'idle agents',
        name: `CPU of an idle ${side} agent, ms/s`,
        figure: `${side}CpuMsPerS`,
      },
      better: 'less',
      target: 20,
      where: always,
    }),
  ),
  ...['nixl', 'mooncake', 'lmcache'].flatMap((peer) =>
    ['same-host', 'tcp'].map(
      (path): Aim => ({
        ...{ ...write, name: `against ${peer}, ${path}, from 64 KiB`, figure: `of-${peer}`, better: 'more', target: 1 },
        where: (parameters) => parameters['path'] === path && Number(parameters['chunkBytes']) >= 64 * KIB,
      }),
    ),
  ),
  {
    suite: 'control',
    table: 'requests',
    name: 'put to ready of 32 keys, in bare round trips',
    figure: 'roundTripsToReady',
    better: 'less',
    target: 3,
    limit: 40,
    where: (parameters) => isAlone(parameters) && parameters['keys'] === 32,
  },
  {
    suite: 'scale',
    table: 'agent: senders',
    name: 'batches of 32 keys a second in one agent',
    figure: 'batchesPerS',
    better: 'more',
    target: 3000,
    limit: 200,
    where: always,
  },
  {
    suite: 'scale',
    table: 'store: tracked keys',
    name: 'bytes of memory for each of 1,000,000 tracked keys',
    figure: 'heapBytesPerOne',
    better: 'less',
    target: 400,
    limit: 1000,
    where: ({ trackedKeys }) => Number(trackedKeys) >= 1_000_000,
  },
  {
    ...{
      suite: 'scale',
      table: 'growth',
      name: 'cost of the most over the least expensive key, 1,000 to 1,000,000 tracked',
    },
    figure: 'dearestOverCheapest',
    better: 'less',
    target: 2,
    limit: 6,
    where: ({ of }) => of === 'store: tracked keys',
  },
  ...['prefill', 'decode'].map(
    (side): Aim => ({
      ...{
        suite: 'control',
        table: 'event loop blocked by the largest batch',
        name: `${side} blocked by 8,192 keys, ms`,
      },
      ...{ figure: `${side}BlockedMs`, better: 'less', target: 20, limit: 200, where: always },
    }),
  ),
  ...[20, 50].map(
    (boundMs): Aim => ({
      ...{ suite: 'turns', table: 'longest turn of the event loop', figure: 'turnMs', better: 'less' },
      name: `longest turn of the event loop, ms, at ${boundMs === 20 ? 'the default' : 'the largest'} limits`,
      where: (parameters) => parameters['limits'] === (boundMs === 20 ? 'default' : 'largest'),
      ...{ target: boundMs, limit: 10 * boundMs },
    }),
  ),
  {
    suite: 'observe',
    table: 'looking',
    name: 'throughput lost while an inspector is open, %',
    figure: 'watchedLostPercent',
    better: 'less',
    target: 5,
    limit: 50,
    where: always,
  },
  {
    suite: 'observe',
    table: 'looking',
    name: 'throughput lost to the journal alone, %',
    figure: 'unwatchedLostPercent',
    better: 'less',
    target: 1,
    limit: 40,
    where: always,
  },
  {
    suite: 'contention',
    table: 'goodput',
    name: 'requests that were ready with wrong bytes',
    figure: 'kvferryWrong',
    better: 'less',
    target: 0,
    limit: 0,
    where: always,
  },
  {
    suite: 'contention',
    table: 'goodput',
    name: 'requests that never ended',
    figure: 'kvferryLost',
    better: 'less',
    target: 0,
    limit: 0,
    where: always,
  },
  {
    suite: 'vllm',
    table: 'added time to first token',
    name: 'vLLM, same host: added time to first token, less that of NIXL, ms',
    figure: 'moreThanNixlMs',
    better: 'less',
    target: 0,
    where: ({ path }) => path === 'same-host',
  },
  {
    suite: 'vllm',
    table: 'tokens a second',
    name: 'vLLM: prompts without the right answer',
    figure: 'kvferryWrong',
    better: 'less',
    target: 0,
    limit: 0,
    where: always,
  },
];

/** The result for one aim. */
export interface Target {
  readonly name: string;
  /** Value of the worst row. */
  readonly value: number;
  readonly target: number;
  /** Null if the aim does not guard against regressions. */
  readonly limit: number | null;
  readonly met: boolean;
  readonly withinLimit: boolean;
}

/** Judges every aim whose rows were measured. */
export function judge(suites: Readonly<Partial<Record<SuiteName, SuiteResult>>>): Target[] {
  return aims.flatMap(({ name, suite, table, figure, where, better, target, limit = null }) => {
    const rows = suites[suite]?.rows.filter((row) => row.table === table && where(row.parameters)) ?? [];
    const values = rows.flatMap((row) => medianOf(row, figure) ?? []);
    if (values.length === 0) return [];
    const value = better === 'more' ? Math.min(...values) : Math.max(...values);
    const holds = (bound: number) => (better === 'more' ? value >= bound : value <= bound);
    return [{ name, value, target, limit, met: holds(target), withinLimit: limit === null || holds(limit) }];
  });
}
