/**
 * Draws which requests are put without a receiver, and when a router names it: once, twice, with another one, or never; and which
 * of their first chunks do not travel.
 */
import { Random } from '../../../figures/random.js';
import type { RequestPlan, RouteCall, Scenario } from './scenario.js';

/** Share of the scenarios with such requests, and of the requests in them. */
const WORLDS = 0.3;
const REQUESTS = 0.3;
/** Number of calls: none is a request that is never routed. */
const CALLS = [0, 1, 1, 1, 2, 3] as const;
const ELSEWHERE = 0.25;
const LATEST_MS = { soon: 30, late: 2500 };
/** Share of the routes that skip chunks. */
const SKIPS = 0.4;
/** These draws do not change what else is drawn from the seed. */
const SALT = { routes: 0x9e3779b9, skips: 0x85ebca6b };

export function withRoutes(scenario: Scenario): Scenario {
  const random = new Random((scenario.seed ^ SALT.routes) >>> 0);
  const skips = new Random((scenario.seed ^ SALT.skips) >>> 0);
  if (!random.chance(WORLDS)) return scenario;
  const receivers = scenario.agents.filter(({ role }) => role === 'decode').map(({ name }) => name);
  const requests = scenario.requests.map((plan) => {
    if (plan.ranks !== undefined || !random.chance(REQUESTS)) return plan;
    const routes = Array.from({ length: random.pick(CALLS) }, (): RouteCall => {
      const latestMs = random.chance(0.6) ? LATEST_MS.soon : LATEST_MS.late;
      const receiver = random.chance(ELSEWHERE) ? random.pick(receivers) : plan.receiver;
      return { afterMs: random.integer(0, latestMs), receiver, ...drawSkip(skips, plan) };
    });
    return { ...plan, routes };
  });
  return { ...scenario, requests };
}

/** As many as the request has are refused. */
function drawSkip(random: Random, { batches }: RequestPlan): Pick<RouteCall, 'skip'> {
  return random.chance(SKIPS) ? { skip: random.integer(1, Math.max(1, batches.flat().length)) } : {};
}
