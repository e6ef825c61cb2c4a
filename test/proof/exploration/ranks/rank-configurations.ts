/** The worlds of requests over two ranks. The arenas have pages for one request and a half, or for one. */
import { type Budget, noFaults } from '../faults.js';
import type { RankConfiguration } from './rank-state.js';

const faults: Readonly<Record<string, Partial<Budget>>> = {
  '': {},
  '-loss': { loss: 1 },
  '-duplicate': { duplicate: 1 },
  '-crash': { crash: 1 },
  '-cancel': { cancel: 1 },
  '-timeout': { timeout: 1 },
};

const arenas = {
  /** Each rank has an agent of its own, with one page. */
  'two-arenas': { agentOfRank: [0, 1], pagesPerArena: 1 },
  /** One agent receives both ranks. It has pages for one request and a half. */
  'one-arena': { agentOfRank: [0, 0], pagesPerArena: 3 },
};

const all: Record<string, RankConfiguration> = {};
for (const [name, shape] of Object.entries(arenas)) {
  for (const [fault, budget] of Object.entries(faults)) {
    all[`ranks-${name}${fault}`] = { requests: ['x', 'y'], ...shape, budget: { ...noFaults, ...budget } };
  }
}

export const rankConfigurations: Readonly<Record<string, RankConfiguration>> = all;
