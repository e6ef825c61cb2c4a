/** How many heartbeats an agent receives in a second, its own included, when it works with two other agents. */
import { spreadOf } from '../../src/figures/statistics.js';
import type { Row } from '../suite-result.js';
import { TurnWorld } from './turn-world.js';

const HEARTBEAT_SUBJECT = '.heartbeat.';
const MEASURED_S = 2;
/** Its own, and those of the two agents that it works with. */
const BOUND_PER_S = 3;
const MS_PER_S = 1000;

/** `agents`: half of them prefill, half of them decode. Each prefill agent sends to two decode agents. */
export async function measureHeartbeats(agents: number): Promise<Row> {
  const world = new TurnWorld();
  const received = new Map<string, number>();
  const pairs = agents / 2;
  for (let pair = 0; pair < pairs; pair += 1) {
    await world.start(`decode-${pair}`, 'decode', { pages: 2 });
    await world.start(`prefill-${pair}`, 'prefill');
    for (const agent of [`decode-${pair}`, `prefill-${pair}`]) received.set(agent, 0);
  }
  for (let pair = 0; pair < pairs; pair += 1) {
    for (const other of [pair, (pair + 1) % pairs]) {
      await world.put(`prefill-${pair}`, `r-${other}`, [`k-${pair}`], `decode-${other}`);
    }
  }
  const { fate } = world.network;
  world.network.fate = (envelope) => {
    const { to, subject } = envelope;
    const before = received.get(to);
    if (before !== undefined && subject.includes(HEARTBEAT_SUBJECT)) received.set(to, before + 1);
    return fate(envelope);
  };
  await world.clock.advance(MEASURED_S * MS_PER_S);
  const perS = [...received.values()].map((count) => count / MEASURED_S);
  const spread = spreadOf(perS);
  const figures = { perS: spread, boundPerS: BOUND_PER_S, withinBound: spread.max <= BOUND_PER_S };
  return { table: 'heartbeats received by each agent', parameters: { agents }, figures };
}
