/** The worlds of requests over several ranks. The arenas have pages for one request and a half, or for one. */
import { type Budget, noFaults } from '../faults.js';
import type { RankConfiguration } from './rank-state.js';

type Shape = Pick<RankConfiguration, 'agentOfRank' | 'pagesPerArena'>;

/** Each rank has an agent of its own, with one page. */
const twoArenas: Shape = { agentOfRank: [0, 1], pagesPerArena: 1 };
const threeArenas: Shape = { agentOfRank: [2, 0, 1], pagesPerArena: 1 };
/** One agent receives both ranks. It has pages for one request and a half. */
const oneArena: Shape = { agentOfRank: [0, 0], pagesPerArena: 3 };

function worldsOf(shapes: Readonly<Record<string, Shape>>, kinds: readonly (keyof Budget)[]) {
  const worlds: Record<string, RankConfiguration> = {};
  for (const [name, shape] of Object.entries(shapes)) {
    worlds[`ranks-${name}`] = { requests: ['x', 'y'], ...shape, budget: noFaults };
    for (const kind of kinds) {
      worlds[`ranks-${name}-${kind}`] = { requests: ['x', 'y'], ...shape, budget: { ...noFaults, [kind]: 1 } };
    }
  }
  return worlds;
}

/** What `npm run explore` explores. */
export const shortRankList: Readonly<Record<string, RankConfiguration>> = {
  ...worldsOf({ 'two-arenas': twoArenas }, ['loss', 'duplicate', 'cancel', 'timeout']),
  ...worldsOf({ 'one-arena': oneArena }, ['loss', 'duplicate', 'crash', 'cancel', 'timeout']),
};

/** What `npm run explore -- --all` explores too. */
export const longRankList: Readonly<Record<string, RankConfiguration>> = {
  ...worldsOf({ 'two-arenas': twoArenas }, ['crash']),
  ...worldsOf({ 'three-arenas': threeArenas }, []),
};
