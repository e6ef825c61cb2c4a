/**
 * What the figures are held against. A target is what the project aims at; a limit has slack for machines that are busy,
 * and is what the benchmark fails at. Both are quotients of things measured side by side wherever that is possible.
 */
import type { Row, SuiteResult } from './report.js';
import { medianOf } from './report.js';
import type { SuiteName } from './suite-names.js';

const MIB = 1024 ** 2;

interface Aim {
  readonly name: string;
  readonly suite: SuiteName;
  readonly table: string;
  readonly figure: string;
  readonly where: (parameters: Row['parameters']) => boolean;
  /** Of several rows, the worst counts. */
  readonly better: 'more' | 'less';
  readonly target: number;
  readonly limit: number;
}

const aims: readonly Aim[] = [
  {
    name: 'same host against memcpy, chunks of at least 1 MiB',
    ...{ suite: 'data', table: 'write', figure: 'ofBaseline' },
    where: ({ path, chunkBytes }) => path === 'same-host' && Number(chunkBytes) >= MIB,
    ...{ better: 'more', target: 0.9, limit: 0.12 },
  },
  {
    name: 'tcp against one raw stream, chunks of at least 1 MiB',
    ...{ suite: 'data', table: 'write', figure: 'ofBaseline' },
    where: ({ path, chunkBytes }) => path === 'tcp' && Number(chunkBytes) >= MIB,
    ...{ better: 'more', target: 1, limit: 0.2 },
  },
];

/** How one aim was met. */
export interface Target {
  readonly name: string;
  /** The worst of the rows it is about. */
  readonly value: number;
  readonly target: number;
  readonly limit: number;
  readonly met: boolean;
  readonly withinLimit: boolean;
}

/** Aims whose rows were not measured are left out. */
export function judge(suites: Readonly<Partial<Record<SuiteName, SuiteResult>>>): Target[] {
  return aims.flatMap(({ name, suite, table, figure, where, better, target, limit }) => {
    const rows = suites[suite]?.rows.filter((row) => row.table === table && where(row.parameters)) ?? [];
    const values = rows.flatMap((row) => medianOf(row, figure) ?? []);
    if (values.length === 0) return [];
    const value = better === 'more' ? Math.min(...values) : Math.max(...values);
    const holds = (bound: number) => (better === 'more' ? value >= bound : value <= bound);
    return [{ name, value, target, limit, met: holds(target), withinLimit: holds(limit) }];
  });
}
