/** Every world that `npm run explore` can explore, by name. */
import { longList, shortList } from './configurations.js';
import { type Exploration, exploreWorld, type Limits } from './explorer.js';
import { longRankConfigurations, rankConfigurations, rankWorld } from './ranks/rank-world.js';
import { requestWorld, type Variant } from './request-world.js';

/** Explores one world. */
export type Explore = (limits: Limits, variant?: Variant) => Exploration;

const explorers: Record<string, Explore> = {};
for (const [name, configuration] of Object.entries({ ...shortList, ...longList })) {
  explorers[name] = (limits, variant) => exploreWorld(requestWorld(configuration, variant), limits);
}
for (const [name, configuration] of Object.entries({ ...rankConfigurations, ...longRankConfigurations })) {
  explorers[name] = (limits) => exploreWorld(rankWorld(configuration), limits);
}

export const worlds: Readonly<Record<string, Explore>> = explorers;
/** The worlds that `npm run explore` explores without `--all`. */
export const shortNames: readonly string[] = [...Object.keys(shortList), ...Object.keys(rankConfigurations)];
