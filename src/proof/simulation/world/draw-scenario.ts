/** Draws a scenario from a seed. The same seed gives the same scenario. */
import { Random } from '../../../figures/random.js';
import { drawFaults, drawHeirFaults } from './draw-faults.js';
import { drawCrowd, drawHeirs, drawRequests, LAST_REQUEST_MS } from './draw-requests.js';
import { withRoutes } from './draw-routes.js';
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
/** Share of the scenarios in which writers give up, and others take over. */
const INHERITED = 0.1;

type Family = 'crowd' | 'heirs' | 'any';

export function scenarioOf(seed: number): Scenario {
  return withRoutes(drawScenario(seed));
}

function drawScenario(seed: number): Scenario {
  const random = new Random(seed);
  const drawn = random.next();
  const family: Family = drawn < CROWDED ? 'crowd' : drawn < CROWDED + INHERITED ? 'heirs' : 'any';
  const agents = drawAgents(random, family);
  const burstsMs = Array.from({ length: BURSTS }, () => random.integer(0, LAST_REQUEST_MS));
  const atMs = random.pick(burstsMs);
  const sliceMs = random.pick(SLICE_MS);
  switch (family) {
    case 'crowd':
      return {
        seed,
        agents,
        requests: drawCrowd(random, agents, atMs),
        faults: drawFaults(random, agents, atMs),
        sliceMs,
      };
    case 'heirs': {
      const faults = drawHeirFaults(random, agents, atMs);
      return { seed, agents, requests: drawHeirs(random, agents, atMs), faults, sliceMs: Math.max(...SLICE_MS) };
    }
    case 'any':
      return {
        seed,
        agents,
        requests: drawRequests(random, agents, burstsMs),
        faults: drawFaults(random, agents, atMs),
        sliceMs,
      };
  }
}

function drawAgents(random: Random, family: Family): AgentPlan[] {
  const agents: AgentPlan[] = [];
  const add = (role: AgentPlan['role'], count: number, pages: () => number) => {
    for (let number = 0; number < count; number += 1) {
      const name = `${role}-${agents.length}`;
      const retainedMax = random.pick([0, 0, 2, 4]);
      agents.push({ name, role, pages: pages(), retainedMax, server: random.integer(0, 1) });
    }
  };
  const { from, to } = family !== 'any' || random.chance(0.5) ? SMALL : ROOMY;
  add('prefill', family === 'any' ? random.integer(1, 2) : 2, () => STAGING_PAGES);
  add('decode', family === 'heirs' ? 1 : random.integer(1, 2), () =>
    random.integer(from, family === 'heirs' ? from + 2 : to),
  );
  return agents;
}
