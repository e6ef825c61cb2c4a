/** The turns suite: for how long the event loop of an agent stands still, at most, in the cases that ask most of it. */
import { spreadOf } from '../../src/figures/statistics.js';
import type { Bench } from '../bench.js';
import type { Row, SuiteResult } from '../suite-result.js';
import { agentCases } from './agent-cases.js';
import { fullRequestCases } from './full-request-cases.js';
import { measureHeartbeats } from './heartbeats.js';
import { lookingCases } from './looking-cases.js';
import { storeCases } from './store-cases.js';
import { DEFAULT_BOUND_MS, type TurnCase } from './turn-case.js';

interface TurnsScale {
  readonly rounds: number;
  readonly agents: readonly number[];
}

const full: TurnsScale = { rounds: 2, agents: [10, 100, 1000] };
const quick: TurnsScale = { rounds: 1, agents: [10, 100] };

export async function runTurns(bench: Bench): Promise<SuiteResult> {
  const { rounds, agents } = bench.quick ? quick : full;
  const all = [...storeCases, ...fullRequestCases, ...lookingCases, ...agentCases];
  const cases = bench.quick ? all.filter(({ boundMs }) => boundMs === DEFAULT_BOUND_MS) : all;
  bench.progress.begin('turns', cases.length + agents.length);
  const rows: Row[] = [];
  for (const one of cases) {
    bench.progress.step(`${one.name}: ${one.size}`);
    rows.push(await rowOf(one, rounds));
  }
  for (const count of agents) {
    bench.progress.step(`heartbeats of ${count} agents`);
    rows.push(await measureHeartbeats(count));
  }
  bench.progress.end();
  return { rows, notRun: [] };
}

/** The first round also compiles the code. An agent has run for a while, so that round does not count. */
async function rowOf({ name, size, boundMs, longest }: TurnCase, rounds: number): Promise<Row> {
  const [, ...measured] = await longest(1 + rounds);
  const turnMs = spreadOf(measured);
  return {
    table: 'longest turn of the event loop',
    parameters: { case: name, size, limits: boundMs === DEFAULT_BOUND_MS ? 'default' : 'largest' },
    figures: { turnMs, boundMs, withinBound: turnMs.median <= boundMs },
  };
}
