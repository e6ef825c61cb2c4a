/** Runs one scenario until nothing in it is in progress, and checks the rules after every step. */
import { RequestEnds } from '../../../client/request-ends.js';
import type { End } from '../../../protocol/subjects.js';
import type { Demands } from './account.js';
import { Checks } from './checks.js';
import { SimulatedDecodeEngine } from './decode-engine.js';
import { FaultInjector } from './fault-injector.js';
import { Ledger } from './ledger.js';
import { SimulatedPrefillEngine } from './prefill-engine.js';
import { Router } from './router.js';
import type { Scenario } from './scenario.js';
import { MENDED_MS, QUIET_MS } from './timing.js';
import { type Violation, World } from './world.js';

/** Time between two looks whether the world is quiet, and from then until the final checks. */
const LOOK_MS = 500;
const SETTLE_MS = 2000;
/** Time for the final status requests, once the world is quiet. */
const ANSWERS_MS = 1000;

export interface ScenarioResult {
  readonly steps: number;
  readonly faults: Readonly<Record<string, number>>;
  /** Accepted requests. */
  readonly requests: number;
  readonly terminal: Readonly<Record<End, number>>;
  /** What the accounts of the requests demanded. */
  readonly demands: Demands;
  /** Pages that decode engines have read and checked. */
  readonly pagesRead: number;
  readonly violation: Violation | undefined;
  readonly trace: readonly string[];
}

export async function runScenario(
  scenario: Scenario,
  options: { readonly trace: boolean } = { trace: false },
): Promise<ScenarioResult> {
  const world = new World(scenario, options);
  const injector = new FaultInjector(world);
  const ledger = new Ledger(world, injector);
  const decodeEngines: SimulatedDecodeEngine[] = [];
  const prefillEngines: SimulatedPrefillEngine[] = [];
  const ends = new RequestEnds(world.observer, { clock: world.clock });
  for (const { name, role } of scenario.agents) {
    if (role === 'prefill') prefillEngines.push(new SimulatedPrefillEngine(world, ledger, injector, ends, name));
    else decodeEngines.push(new SimulatedDecodeEngine(world, ledger, name));
  }
  new Router(world, ledger);
  const checks = new Checks(world, ledger, decodeEngines, prefillEngines);
  for (const slot of world.slots.values()) world.start(slot);

  let steps = 0;
  await world.clock.advance(0);
  const runUntil = async (endMs: number) => {
    while (world.violation === undefined && (await world.clock.step(endMs))) {
      steps += 1;
      checks.step();
    }
  };
  let atMs = MENDED_MS;
  await runUntil(atMs);
  let isIdle = false;
  for (; atMs < QUIET_MS && world.violation === undefined && !isIdle; atMs += LOOK_MS) {
    void checks.isIdle().then((idle) => {
      isIdle = idle;
    });
    await runUntil(atMs + LOOK_MS);
  }
  atMs += SETTLE_MS;
  await runUntil(atMs);
  if (world.violation === undefined) {
    const answered = checks.quiet();
    await runUntil(atMs + ANSWERS_MS);
    if (world.violation === undefined) await answered;
  }
  for (const life of world.living()) life.kill();
  return {
    steps,
    faults: world.faults,
    requests: ledger.accepted,
    terminal: ledger.ends(),
    demands: ledger.demands,
    pagesRead: decodeEngines.reduce((total, engine) => total + engine.pagesRead, 0),
    violation: world.violation,
    trace: world.trace.lines,
  };
}
