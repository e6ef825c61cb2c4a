/** Draws a scenario from a seed. The same seed gives the same scenario. */
import { Random } from '../../../figures/random.js';
import { drawFaults } from './draw-faults.js';
import { drawCrowd, drawRequests, LAST_REQUEST_MS } from './draw-requests.js';
import type { AgentPlan, Scenario } from './scenario.js';

const STAGING_PAGES = 6;
/** Arenas in which requests wait for pages, and arenas in which few do. */
const SMALL = { from: 4, to: 14 };
const ROOMY = { from: 24, to: 32 };
/** Longest time of a slice. With a slow fabric, more requests join writes, and more faults strike them. */
const SLICE_MS = [3, 3, 40, 150] as const;
const BURSTS = 3;
/** Share of the scenarios in which requests over several ranks compete for pages, and nothing else. */
const CROWDED = 0.06;

export function scenarioOf(seed: number): Scenario {
  const random = new Random(seed);
  const isCrowded = random.chance(CROWDED);
  const agents: AgentPlan[] = [];
  const add = (role: AgentPlan['role'], count: number, pages: () => number) => {
    for (let number = 0; number < count; number += 1) {
      const name = `${role}-${agents.length}`;
      const retainedMax = random.pick([0, 0, 2, 4]);
      agents.push({ name, role, pages: pages(), retainedMax, server: random.integer(0, 1) });
    }
  };
  const { from, to } = random.chance(0.5) || isCrowded ? SMALL : ROOMY;
  add('prefill', isCrowded ? 2 : random.integer(1, 2), () => STAGING_PAGES);
  add('decode', random.integer(1, 2), () => random.integer(from, to));
  const burstsMs = Array.from({ length: BURSTS }, () => random.integer(0, LAST_REQUEST_MS));
  const requests = isCrowded
    ? drawCrowd(random, agents, random.pick(burstsMs))
    : drawRequests(random, agents, burstsMs);
  const faults = drawFaults(random, agents, random.pick(burstsMs));
  return { seed, agents, requests, faults, sliceMs: random.pick(SLICE_MS) };
}
